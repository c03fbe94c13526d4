"""Alphas averaged along the motion, where they are unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from airoto_server.ops.geometry import Window
from airoto_server.ops.grid import Grid, Pixels, Planes
from airoto_server.ops.nonzero import blocks_of
from airoto_server.ops.part import Mask, Part
from airoto_server.ops.places import identity, sampled
from airoto_server.ops.trails import Trail

# Neighbours to either side that an alpha is averaged with.
ALPHA_RADIUS = 2

# Difference of alphas at which a neighbour's weight has fallen to 1/e.
_ALPHA_SCALE = 0.5
# What a neighbour's alpha is where its trimap is known: so far from any other that the least part
# of it in an interpolated one leaves it no weight.
_NOTHING = -1e9
# Side of the blocks that are worked on, which stay in the processor's cache.
_BLOCK = 64


def comparable(alpha: Part, trimap: Part, shape: tuple[int, int]) -> Part:
    """An alpha as neighbours are averaged with: what is known in it has no weight.

    Args:
        alpha: over the trimap's window.
        shape: of the output window, at whose borders it goes on by a pixel.
    """
    window = trimap.window
    if window.is_empty:
        return alpha
    values = np.full(alpha.values.shape, _NOTHING, np.float32)
    np.copyto(values, alpha.values, where=(trimap.values > 0) & (trimap.values < 1))
    top, left = int(window.y_min == 0), int(window.x_min == 0)
    bottom, right = int(window.y_max == shape[0]), int(window.x_max == shape[1])
    grown = Window(
        window.x_min - left, window.y_min - top, window.x_max + right, window.y_max + bottom
    )
    edges = top, bottom, left, right
    return Part(grown, np.asarray(cv2.copyMakeBorder(values, *edges, cv2.BORDER_REPLICATE)))


@dataclass(frozen=True)
class Neighbour:
    """What a frame's alpha is averaged with.

    Attributes:
        alpha: as `comparable` makes it.
        trail: from the frame to the neighbour, wherever the frame's trimap is unknown; all of a
            frame's are of one window.
    """

    alpha: Part
    trail: Trail


def steady_alpha(
    alpha: Part, unknown: Pixels, neighbours: Sequence[Neighbour], grid: Grid, strength: float
) -> Part:
    """Alpha averaged along the motion, where it is unknown in both frames.

    A neighbour's weight falls with distrust of the trail and with the difference of alphas, so
    that what the neighbour shows differently (an object that passed, a strand that moved on its
    own) leaves no ghost.

    Args:
        alpha: 0 to 1; only its unknown pixels may change.
        unknown: (H, W) bool over the alpha's window.
        grid: from the output window to the look.
        strength: 0 to 1, the weight of a neighbour that is trusted wholly; a frame's own is 1.
    """
    others = [
        one for one in neighbours if not (one.alpha.window.is_empty or one.trail.window.is_empty)
    ]
    steady, window = alpha.values.copy(), alpha.window
    if not others:
        return Part(window, steady)
    scale = np.array(grid.scale, np.float32)[:, None, None]
    # Of each how far along x and y, in pixels of the output window, and the weight.
    trails = np.concatenate(
        [part for one in others for part in (one.trail.steps / scale, one.trail.trust[None])]
    )
    trails[2::3] *= np.float32(strength)
    for block in blocks_of(unknown, _BLOCK):
        part = block.slices(Window.sized(window.width, window.height))
        own = np.ascontiguousarray(alpha.values[part])
        there = block.shifted(window.x_min, window.y_min)
        spread = grid.spread(trails, others[0].trail.window, there)
        made = _averaged(own, there, [one.alpha for one in others], spread)
        np.copyto(steady[part], made, where=unknown[part])
    return Part(window, steady)


def _averaged(own: Mask, block: Window, others: Sequence[Part], trails: Planes) -> Mask:
    """The frame's own alpha over a block of the output window, with those of its neighbours.

    Args:
        trails: (3 N, H, W) over the block, changed; of each of the others the steps and the weight.
    """
    total, weights = own.copy(), np.ones_like(own)
    for one, trail in zip(others, trails.reshape(-1, 3, *own.shape), strict=True):
        places, trust = trail[:2], trail[2]
        places += identity(block.shifted(-one.window.x_min, -one.window.y_min))
        theirs = sampled(one.values, places, _NOTHING)
        weight = theirs - own
        weight *= weight
        weight *= np.float32(-1 / _ALPHA_SCALE**2)
        cv2.exp(weight, weight)
        weight *= trust
        weights += weight
        weight *= theirs
        total += weight
    total /= weights
    return np.clip(total, 0.0, 1.0, out=total)
