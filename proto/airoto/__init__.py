"""What AIRoto's client and server share: errors, wire format, recipe."""

__version__ = "0.1.0"
