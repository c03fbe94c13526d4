"""AIRoto's inference server."""
