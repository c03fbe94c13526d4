"""Building blocks of the classic engines: real algorithms on the CPU, no weights."""
