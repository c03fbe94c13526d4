"""A frame in the forms that the classic tracker works on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.resizing import shrink, small_shape
from airoto_server.engines.roles import Picture
from airoto_server.ops.flow import Grey, grey_of

Plane = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

# Evidence is weighed on a picture whose long side has at most this many pixels.
WORKING_SIDE = 427
# Chroma counts more than lightness, which changes with every shadow.
_CHROMA = 1.5
# Blurs of the colours that the trees see, sigma in working pixels.
_SCALES = (0.0, 1.5, 4.0)
# Levels per unit, and the value at level 0: lightness fills its range; chroma seldom leaves
# the middle of its own.
_COLOUR_LEVELS = ((0.25, 0.0), (0.4, 112.0), (0.4, 112.0))
_DEVIATION_WINDOW = (7, 7)
_ORIENTATIONS = 8
# Over how many pixels gradients of one orientation are gathered.
_ORIENTATION_SIGMA = 2.0
# Levels that features are sorted into.
LEVELS = 64
_COUNT = 3 * len(_SCALES) + 3 + 1 + _ORIENTATIONS


@dataclass(frozen=True)
class Frame:
    """One frame; all but `grey` at working size.

    Attributes:
        grey: (H, W) uint8, for the flow.
        lab: (h, w, 3) float32, L 0 to 255, a and b times 1.5 about 192.
        features: (F, h, w) uint8 below `LEVELS`: colour at three scales, local deviation,
            gradient and its orientations. Nothing in them tells where a pixel is.
    """

    grey: Grey
    lab: Plane
    features: Bytes

    @classmethod
    def of(cls, picture: Picture) -> Frame:
        """Prepare a display-referred picture (H, W, 3) float32, 0 to 1."""
        small = shrink(picture, small_shape(picture.shape, WORKING_SIDE))
        lab = lab_of(small)
        return cls(grey_of(picture), lab, features_of(lab))

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the working size."""
        return self.lab.shape[0], self.lab.shape[1]

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        return self.grey.nbytes + self.lab.nbytes + self.features.nbytes


def squared_length(vectors: npt.NDArray[np.float32]) -> Plane:
    """Squared length (h, w) float32 of vectors (h, w, C) float32."""
    ones = np.ones((1, vectors.shape[2]), np.float32)
    summed = cv2.transform(vectors * vectors, ones)
    return np.asarray(summed, np.float32).reshape(vectors.shape[:2])


def lab_of(picture: Picture) -> Plane:
    """CIE Lab (H, W, 3) float32 on an 8-bit scale, with chroma stretched."""
    lab = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2Lab), np.float32)
    lab *= np.asarray([2.55, _CHROMA, _CHROMA], np.float32)
    lab += np.asarray([0, 128 * _CHROMA, 128 * _CHROMA], np.float32)
    return lab


def features_of(lab: Plane) -> Bytes:
    """What the trees see (F, h, w) uint8 of `lab_of` a picture; see `Frame.features`."""
    features = np.empty((_COUNT, *lab.shape[:2]), np.uint8)
    filled = 0

    def add(plane: Plane, scale: float, zero: float) -> None:
        nonlocal filled
        # Rounds, and stops at both ends of a byte.
        levels = cv2.addWeighted(plane, scale, plane, 0, -zero * scale, dtype=cv2.CV_8U)
        np.minimum(levels, LEVELS - 1, out=features[filled], casting="unsafe")
        filled += 1

    for sigma in _SCALES:
        blurred = cv2.GaussianBlur(lab, (0, 0), sigma) if sigma else lab
        for channel, (scale, zero) in enumerate(_COLOUR_LEVELS):
            add(np.asarray(blurred[..., channel]), scale, zero)

    mean = cv2.blur(lab, _DEVIATION_WINDOW)
    variance = cv2.sqrBoxFilter(lab, cv2.CV_32F, _DEVIATION_WINDOW) - mean * mean
    deviation = cv2.sqrt(np.maximum(variance, 0))
    for channel in range(3):
        add(np.asarray(deviation[..., channel], np.float32), 1, 0)

    light = np.ascontiguousarray(lab[..., 0])
    across, down = (cv2.Sobel(light, cv2.CV_32F, dx, dy, scale=0.25) for dx, dy in ((1, 0), (0, 1)))
    length, angle = cv2.cartToPolar(across, down)
    add(np.asarray(length, np.float32), 1, 0)
    sector = (angle * np.float32(_ORIENTATIONS / np.pi)).astype(np.uint8) % _ORIENTATIONS
    gathered = [
        cv2.GaussianBlur(length * (sector == which), (0, 0), _ORIENTATION_SIGMA)
        for which in range(_ORIENTATIONS)
    ]
    total = sum(plane * plane for plane in gathered)
    inverse = np.float32(LEVELS - 1) / (np.sqrt(total) + np.float32(4))
    for plane in gathered:
        add(plane * inverse, 1, 0)
    return features
