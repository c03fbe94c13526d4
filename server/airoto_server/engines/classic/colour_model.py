"""How likely a colour is on an object rather than beside it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Bins = npt.NDArray[np.int32]

# Bins over CIE Lab: lightness 0 to 100, a and b -64 to 64 (beyond is clipped).
_SIDES = (20, 32, 32)
CELLS = _SIDES[0] * _SIDES[1] * _SIDES[2]
# Share of what running counts keep per update.
_DECAY = 0.9
# Log-ratios beyond this are not believed.
LIMIT = 4.0


def lab_bins(picture: npt.NDArray[np.float32]) -> Bins:
    """Cell (H, W) int32 of each pixel of a display-referred sRGB picture."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab)
    cells = np.empty((*lab.shape[:2], 3), np.int32)
    cells[..., 0] = np.clip(lab[..., 0] * (_SIDES[0] / 100.0), 0, _SIDES[0] - 1)
    for axis in (1, 2):
        side = _SIDES[axis]
        cells[..., axis] = np.clip((lab[..., axis] + 64.0) * (side / 128.0), 0, side - 1)
    bins: Bins = (cells[..., 0] * _SIDES[1] + cells[..., 1]) * _SIDES[2] + cells[..., 2]
    return bins


class ColourModel:
    """Colour histograms of an object and of its surroundings.

    Keyframes are remembered for good, other frames fade. Holds five arrays of fixed size,
    however many frames it learns from.
    """

    def __init__(self) -> None:
        self._keyframes = np.zeros((2, CELLS), np.float64)
        self._running = np.zeros((2, CELLS), np.float64)
        self._log_ratio = np.zeros(CELLS, np.float32)

    def learn(self, bins: Bins, inside: Plane, outside: Plane, *, keyframe: bool) -> None:
        """Add one frame.

        Args:
            bins: (H, W) from `lab_bins`.
            inside: (H, W) float32, weight of each pixel as an example of the object.
            outside: likewise of its surroundings.
            keyframe: whether a person drew the mask; such counts do not fade.
        """
        counts = np.stack([_histogram(bins, inside), _histogram(bins, outside)])
        if keyframe:
            self._keyframes += counts
        else:
            self._running = self._running * _DECAY + counts
        known = _shares(self._keyframes) + 0.5 * _shares(self._running)
        smooth = np.stack([_spread(share) for share in known])
        floor = 1.0 / CELLS
        ratio = np.log(smooth[0] + floor) - np.log(smooth[1] + floor)
        self._log_ratio = np.clip(ratio, -LIMIT, LIMIT).astype(np.float32)

    def log_ratio(self, bins: Bins) -> Plane:
        """Log of object over surroundings, (H, W) float32, within +-`LIMIT`."""
        return self._log_ratio[bins]

    def smooth_log_ratio(self, bins: Bins, sigma: float) -> Plane:
        """The same, blurred by a Gaussian of `sigma` pixels against noise."""
        blurred = cv2.GaussianBlur(self._log_ratio[bins], (0, 0), sigma)
        return np.asarray(blurred, np.float32).reshape(bins.shape)

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        return self._keyframes.nbytes + self._running.nbytes + self._log_ratio.nbytes


def _histogram(bins: Bins, weights: Plane) -> npt.NDArray[np.float64]:
    counts = np.bincount(bins.ravel(), weights.ravel(), minlength=CELLS)
    return counts.astype(np.float64, copy=False)


def _shares(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _spread(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1-2-1 blur along each axis of the cells, so that near colours count as near."""
    cells = share.reshape(_SIDES)
    for axis in range(3):
        padded = np.pad(cells, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        size = cells.shape[axis]
        before, here, after = (
            np.take(padded, range(start, start + size), axis=axis) for start in range(3)
        )
        cells = 0.25 * before + 0.5 * here + 0.25 * after
    return cells.ravel()
