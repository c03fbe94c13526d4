"""What the classic engines refuse, in one place, so that all say it alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from airoto.errors import EngineError


def check_picture(picture: npt.NDArray[np.float32]) -> None:
    """Refuse what is no picture.

    Raises:
        EngineError: not (H, W, 3) float32, no pixels, or NaN or infinity among them.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.float32:
        raise EngineError(
            f"a picture is {picture.shape} {picture.dtype}; allowed: (H, W, 3) float32"
        )
    if picture.size == 0:
        raise EngineError(f"a picture has no pixels: {picture.shape}")
    if not np.isfinite(picture).all():
        y, x = (int(i) for i in np.argwhere(~np.isfinite(picture).all(axis=2))[0])
        raise EngineError(
            f"a picture has a value that is no number at x {x}, y {y}; allowed: 0 to 1"
        )


def check_plane(name: str, plane: npt.NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Refuse a mask or trimap that does not belong to its picture.

    Args:
        name: `mask`, `trimap`: for the message.
        shape: (H, W) of the picture.

    Raises:
        EngineError: another shape, or values outside 0 to 1.
    """
    if plane.shape != shape:
        raise EngineError(f"a {name} is {plane.shape} and its picture is {shape}")
    # Written so that NaN fails too.
    if not ((plane >= 0).all() and (plane <= 1).all()):
        raise EngineError(f"a {name} has values outside 0 to 1")
