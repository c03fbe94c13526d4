"""The sample clip: a shot with an exact matte, made by our own code, free to use (CC0)."""

from airoto_server.app.sample.make import SamplePaths, make_sample

__all__ = ["SamplePaths", "make_sample"]
