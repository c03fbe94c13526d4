"""The host-neutral client and the `airoto` command line."""
