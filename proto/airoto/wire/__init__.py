"""The wire: the only code that imports the generated modules."""
