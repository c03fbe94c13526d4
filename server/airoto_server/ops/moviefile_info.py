"""What a movie says of itself; apart from its reader, so that it needs no FFmpeg."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MovieInfo:
    """What a movie is.

    Attributes:
        count: pictures that are shown, exactly.
        rate: pictures per second; 0 where the movie does not say.
        display: width and height of a picture as it is shown, upright.
        pixel_aspect: pixel width over height, upright.
        rotation: degrees counterclockwise by which stored pictures are turned, 0 to 270.
        codec: FFmpeg's name.
        pixel_format: FFmpeg's name.
        has_alpha: whether pictures have an alpha.
        notes: for people.
    """

    count: int
    rate: float
    display: tuple[int, int]
    pixel_aspect: float
    rotation: int
    codec: str
    pixel_format: str
    has_alpha: bool
    notes: tuple[str, ...] = ()
