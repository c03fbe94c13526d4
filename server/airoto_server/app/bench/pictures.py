"""Pictures of where engines did worst."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from airoto.errors import OutputError
from airoto_server.app.bench.clips import Bool
from airoto_server.engines.roles import Mask, Picture
from airoto_server.ops import preview

_WRONG, _MISSED = (230, 60, 50), (60, 120, 240)


def folder_for(path: Path) -> Path:
    """The folder, made if it is not there.

    Raises:
        OutputError: it cannot be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{path} cannot be made: {exc.strerror}", path=str(path)) from exc
    return path


def write_mask(path: Path, picture: Picture, mask: Bool, truth: Bool, title: str) -> None:
    """The answer over the picture, beside the errors: red is too much, blue is missing."""
    shown = preview.overlay(
        picture, [preview.Matte(mask.astype(np.float32), preview.tint_for(0), "")]
    )
    errors = preview.as_bytes(0.35 * picture + 0.25 * truth[..., None])
    errors[mask & ~truth] = _WRONG
    errors[truth & ~mask] = _MISSED
    preview.write_png(path, _titled(np.hstack([shown, errors]), title))


def write_alpha(path: Path, picture: Picture, alpha: Mask, truth: Mask, title: str) -> None:
    """The picture, the alpha, the truth, and their difference (grey is none)."""
    planes = (alpha, truth, 0.5 + 0.5 * (alpha - truth))
    grey = [preview.as_bytes(np.repeat(plane[..., None], 3, axis=2)) for plane in planes]
    rows = (np.hstack([preview.as_bytes(picture), grey[0]]), np.hstack(grey[1:]))
    preview.write_png(path, _titled(np.vstack(rows), title))


def _titled(shown: npt.NDArray[np.uint8], title: str) -> npt.NDArray[np.uint8]:
    strip = np.zeros((28, shown.shape[1], 3), np.uint8)
    cv2.putText(strip, title, (8, 20), cv2.FONT_HERSHEY_DUPLEX, 0.55, (230, 230, 230), 1)
    return np.vstack([strip, shown])
