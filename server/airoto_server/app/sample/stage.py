"""The size of what is painted, and layers that a moving camera looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from airoto_server.app.sample.strands import Floats

# How far the camera may go to each side, in units of the frame's height.
REACH = 0.18
_INSTANTS = 4

Eye = tuple[float, float]


@dataclass(frozen=True)
class Stage:
    """The picture with its overscan.

    Attributes:
        width, height: in pixels.
        unit: pixels to the display window's height.
    """

    width: int
    height: int
    unit: float

    def layer_size(self, parallax: float) -> tuple[int, int]:
        """Width and height in pixels of a layer that can follow the camera."""
        slack = 2 * math.ceil(REACH * parallax * self.unit + 4)
        return self.width + slack, self.height + 8

    def axes(self, width: int, height: int) -> tuple[Floats, Floats]:
        """x (1, W) and y (H, 1), upwards, of a layer's pixels in units from its middle."""
        x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / np.float32(self.unit)
        y = (height / 2 - np.arange(height, dtype=np.float32) - 0.5) / np.float32(self.unit)
        return x[None], y[:, None]


@dataclass(frozen=True)
class Layer:
    """Premultiplied linear RGBA, wider than the picture, and how much it moves: 0 far, 1 near."""

    picture: Floats
    parallax: float

    def seen(self, stage: Stage, opened: Eye, closed: Eye) -> Floats:
        """By a camera that moves while the shutter is open: (height, width, 4)."""
        total = np.zeros((stage.height, stage.width, 4), np.float32)
        tall, wide = self.picture.shape[:2]
        pace = self.parallax * stage.unit
        for instant in range(_INSTANTS):
            s = (instant + 0.5) / _INSTANTS
            x = opened[0] + (closed[0] - opened[0]) * s
            y = opened[1] + (closed[1] - opened[1]) * s
            left = (wide - stage.width) / 2 + x * pace
            top = (tall - stage.height) / 2 - y * pace
            total += cv2.warpAffine(
                self.picture,
                np.array([[1.0, 0.0, left], [0.0, 1.0, top]]),
                (stage.width, stage.height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        return total / np.float32(_INSTANTS)


def over(front: Floats, back: Floats) -> Floats:
    """Premultiplied RGBA over opaque RGB: (H, W, 3)."""
    return front[..., :3] + back * (1 - front[..., 3:])
