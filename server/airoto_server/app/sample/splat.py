"""Points to pixels: exact coverage and premultiplied colour, with real motion blur.

Every point is one binary sample on a grid finer than the picture. Averaging the grid over
sub-samples and over many instants of the shutter gives coverage (alpha) and colour that
belong to each other exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.app.sample.strands import Floats

SUPERSAMPLING = 2
# Points to a sample of length, along a strand.
DENSITY = 0.75
# Samples that are kept free around the points; the first of them takes what is not drawn.
_MARGIN = 2 * SUPERSAMPLING


@dataclass(frozen=True)
class Core:
    """What is solid under the fur: a filled outline behind all points.

    Attributes:
        opened, closed: (P, 2) the outline when the shutter opens and when it closes.
        colour: (3,) linear ACEScg.
    """

    opened: Floats
    closed: Floats
    colour: Floats


@dataclass(frozen=True)
class Cloud:
    """K coloured points.

    Attributes:
        opened: (K, 3) positions when the shutter opens: x, y in units of the frame's height
            from the picture's centre (y up), z towards the camera.
        closed: (K, 3) likewise when it closes.
        colour: (K, 3) linear ACEScg.
        breadth: (K,) 0 to 1, how much of a sample it fills: hairs grow thin at their tips.
        cores: where one cannot see through between the points.
    """

    opened: Floats
    closed: Floats
    colour: Floats
    breadth: Floats
    cores: tuple[Core, ...] = ()


def splat(
    cloud: Cloud, width: int, height: int, unit: float, instants: int, rng: np.random.Generator
) -> Floats:
    """Premultiplied linear RGBA, (height, width, 4) float32, as seen by a box shutter.

    Args:
        unit: pixels to a unit of the cloud's space; its origin is the picture's centre.
        instants: shutter samples; the sampling grid is jittered for each.
    """
    out = np.zeros((height, width, 4), np.float32)
    order = _back_to_front(cloud)
    scale = unit * SUPERSAMPLING
    starts, travels, lows, sizes = [], [], [], []
    for axis, extent, sign in ((0, width, 1.0), (1, height, -1.0)):
        middle = np.float32(extent * SUPERSAMPLING / 2)
        opened = cloud.opened[order, axis] * np.float32(sign * scale) + middle
        closed = cloud.closed[order, axis] * np.float32(sign * scale) + middle
        low = math.floor(min(opened.min(), closed.min())) - _MARGIN
        high = math.ceil(max(opened.max(), closed.max())) + _MARGIN
        low -= low % SUPERSAMPLING
        high += -high % SUPERSAMPLING
        starts.append(opened - np.float32(low))
        travels.append(closed - opened)
        lows.append(low)
        sizes.append(high - low)
    wide, tall = sizes

    count = len(order)
    colour = np.empty((count + len(cloud.cores), 4), np.float32)
    np.take(cloud.colour, order, axis=0, out=colour[:count, :3])
    for number, core in enumerate(cloud.cores, start=count):
        colour[number, :3] = core.colour
    flip = np.array([scale, -scale])
    corner = np.array([width, height]) * (SUPERSAMPLING / 2) - np.array(lows)
    colour[:, 3] = 1
    names = np.arange(count, dtype=np.int32)
    # Each point has moments of its own, else fast strands would strobe.
    moment = rng.random(count, np.float32)
    seen = cloud.breadth[order] * np.float32(instants) + rng.random(count, np.float32)
    total = np.zeros((tall * wide, 4), np.float32)
    front = np.empty(tall * wide, np.int32)
    place = np.empty(count, np.float32)
    column, cell = np.empty(count, np.intp), np.empty(count, np.intp)
    jitters = rng.uniform(-0.5, 0.5, (instants, 2)).astype(np.float32)
    for instant in range(instants):
        for axis, whole in ((0, column), (1, cell)):
            np.multiply(travels[axis], moment, out=place)
            place += starts[axis]
            place += jitters[instant, axis]
            np.copyto(whole, place, casting="unsafe")  # positive, so it rounds down
        cell *= wide
        cell += column
        cell[seen < instant + 1] = 0
        front.fill(-1)
        for number, core in enumerate(cloud.cores, start=count):
            share = (instant + 0.5) / instants
            outline = (core.opened + (core.closed - core.opened) * share) * flip + corner
            # OpenCV counts from the middle of the first sample, here in 1/16.
            fixed = np.round((outline + jitters[instant] - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(front.reshape(tall, wide), [fixed], number, shift=4)
        # Points come back to front; numpy keeps the last value given to an index.
        front[cell] = names
        front[0] = -1
        covered = np.flatnonzero(front >= 0)
        total[covered] += colour.take(front[covered], axis=0)
        moment += np.float32(1 / instants)
        moment -= moment >= 1
    total /= instants
    small = (wide // SUPERSAMPLING, tall // SUPERSAMPLING)
    part = cv2.resize(total.reshape(tall, wide, 4), small, interpolation=cv2.INTER_AREA)
    left, top = lows[0] // SUPERSAMPLING, lows[1] // SUPERSAMPLING
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + small[0], width), min(top + small[1], height)
    if x0 < x1 and y0 < y1:
        out[y0:y1, x0:x1] = part[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def _back_to_front(cloud: Cloud) -> npt.NDArray[np.intp]:
    """The order to draw in. Depth in 16 bits is fine enough, and sorted ten times as fast."""
    depth = cloud.opened[:, 2] + cloud.closed[:, 2]
    low = float(depth.min())
    steps = 65535 / max(float(depth.max()) - low, 1e-9)
    return np.argsort(
        ((depth - np.float32(low)) * np.float32(steps)).astype(np.uint16), kind="stable"
    )
