"""Where places of a frame lie in its neighbours: trails along dense flow.

Planes, not lists of points: OpenCV samples a whole plane in less time than numpy takes to pick the
pixels that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from airoto_server.ops.geometry import Window
from airoto_server.ops.motion import Colours, Flow, Look, Motion
from airoto_server.ops.part import Mask
from airoto_server.ops.places import Places, counted_from, identity, inside, sampled

# Look pixels of forward-backward error, and distance of colours (0 to 1 a channel), at which trust
# has fallen to 1/e.
_ERROR_SCALE = 0.75
_COLOUR_SCALE = 0.2


@dataclass(frozen=True)
class Trail:
    """Where the pixels of a window of a frame's look lie in a neighbour's.

    Attributes:
        window: of the look's pixels; may be empty.
        places: (2, H, W) float32, x and y in look pixels, centres at whole numbers.
        trust: (H, W) float32, 0 to 1.
    """

    window: Window
    places: Places
    trust: Mask

    @property
    def steps(self) -> Flow:
        """How far they went, (2, H, W)."""
        return self.places - identity(self.window)


def follow(window: Window, looks: Sequence[Look], motions: Sequence[Motion]) -> list[Trail]:
    """Trails of a window's pixels along a run of frames, one for each frame after the first.

    Where nobody measured motion nothing is trusted.

    Args:
        window: of the look's pixels, inside the look; may be empty.
        looks: the frames in the order of travel, with time or against it.
        motions: from each to the next.
    """
    shape = window.height, window.width
    if window.is_empty:
        return [Trail(window, identity(window), np.zeros(shape, np.float32)) for _ in motions]
    _, colour = looks[0].part(window)
    places = identity(window)
    trust = np.ones(shape, np.float32)
    trails: list[Trail] = []
    for look, motion in zip(looks[1:], motions, strict=True):
        known = inside(motion.window, places)
        if not trails and motion.window.contains(window):
            y, x = window.slices(motion.window)
            step = motion.there[:, y, x]
        else:
            step = _flow_at(motion.window, motion.there, places)
        places = places + step
        known &= inside(motion.window, places)
        error = np.square(step + _flow_at(motion.window, motion.back, places)).sum(axis=0)
        trust = trust * known * np.exp(error * np.float32(-1 / _ERROR_SCALE**2))
        trails.append(Trail(window, places, trust * _alike(colour, look, motion.window, places)))
    return trails


def _flow_at(window: Window, flow: Flow, places: Places) -> Flow:
    """A flow over a window at places of the look."""
    if window.is_empty:
        return np.zeros_like(places)
    local = counted_from(window, places)
    return np.stack([sampled(side, local) for side in flow])


def _alike(colour: Colours, other: Look, window: Window, places: Places) -> Mask | np.float32:
    """How far colours (H, W) are those of another frame at places in a window, 0 to 1.

    A colour that is not the first frame's is distrusted there, and not from there on.
    """
    if window.is_empty:
        return np.float32(1)
    theirs = sampled(other.part(window)[1], counted_from(window, places))
    change = cv2.absdiff(theirs, colour)
    squares = cv2.multiply(change, change, dtype=cv2.CV_32F)
    # From 0 to 1 a channel.
    distance = np.asarray(cv2.transform(squares, np.full((1, 3), 1 / 255**2)), np.float32)
    return np.asarray(np.exp(distance * np.float32(-1 / _COLOUR_SCALE**2)), np.float32)
