"""Functions on pixels: colour, geometry, trimaps, files. No state, no model."""
