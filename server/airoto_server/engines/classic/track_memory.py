"""What the background looked like where the object now is."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.track_camera import Camera
from airoto_server.engines.classic.track_frame import squared_length
from airoto_server.engines.classic.track_motion import carry

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# The memory may be off by a pixel each way.
_SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
# Distance in Lab that says nothing either way, log-odds per step beyond, and their limits.
_NEUTRAL, _SLOPE, _RANGE, _WEIGHT = 10.0, 0.12, (-2.0, 1.0), 2.0


class BackgroundMemory:
    """Colours of the background as last seen, moved along with the camera."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._lab = np.zeros((*shape, 3), np.float32)
        self._seen = np.zeros(shape, np.float32)

    def follow(self, camera: Camera) -> None:
        """Move to the next frame."""
        height, width = self._seen.shape
        self._lab = carry(self._lab, camera.to_previous)
        seen = carry(self._seen, camera.to_previous)
        x = camera.to_previous[..., 0] + np.arange(width, dtype=np.float32)[None, :]
        y = camera.to_previous[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        within = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        self._seen = ((seen > 0.99) & within).astype(np.float32)

    def log_odds(self, lab: Plane) -> Plane:
        """Log-odds (h, w) float32 that a pixel is not the background once seen there."""
        best: Plane | None = None
        padded = cv2.copyMakeBorder(self._lab, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        height, width = self._seen.shape
        for down, right in _SHIFTS:
            there = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
            change = lab - there
            squared = squared_length(change)
            best = squared if best is None else np.minimum(best, squared)
        assert best is not None
        odds = _WEIGHT * np.clip(_SLOPE * (np.sqrt(best) - _NEUTRAL), *_RANGE)
        return (odds * self._seen).astype(np.float32)

    def learn(self, lab: Plane, background: Bool) -> None:
        """Remember the background (h, w) bool of a frame."""
        np.copyto(self._lab, lab, where=background[..., None])
        self._seen[background] = 1

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        return self._lab.nbytes + self._seen.nbytes
