"""A node of a host: what it stores, asks for and shows. Standard library only, no host."""
