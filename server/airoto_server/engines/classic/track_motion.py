"""How pixels got from the frame before to this one, at working size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.flow import warp
from airoto_server.engines.classic.resizing import shrink
from airoto_server.engines.classic.track_frame import Frame, squared_length
from airoto_server.ops.flow import Grey
from airoto_server.ops.parallel import ordered_map

Plane = npt.NDArray[np.float32]

# Where trust in a vector has fallen to 1/e: working pixels of forward-backward error, and
# distance in Lab between a pixel and where it is said to have been.
_ERROR_SCALE, _COLOUR_SCALE = 1.2, 30.0
_LEAST_TRUST = 0.05
# DIS refuses pictures smaller than its coarsest patch; smaller ones are padded up to this.
_SMALLEST_SIDE = 64


@dataclass(frozen=True)
class Motion:
    """The motion between two neighbouring frames, in working pixels.

    Attributes:
        to_previous: (h, w, 2) float32: x and y from each pixel to where it was.
        trust: (h, w) float32, 0.05 to 1, from agreement both ways and of colours.
    """

    to_previous: npt.NDArray[np.float32]
    trust: Plane


def measure(previous: Frame, current: Frame) -> Motion:
    """Dense flow both ways and how far to trust it."""
    shape = current.shape
    pairs = [(current.grey, previous.grey), (previous.grey, current.grey)]
    to_previous, to_current = ordered_map(lambda pair: flow(*pair, shape), pairs, 0)
    gap = to_previous + warp(to_current, to_previous)
    squared = squared_length(gap)
    change = current.lab - carry(previous.lab, to_previous)
    colour = squared_length(change)
    trust = np.exp(-squared / _ERROR_SCALE**2 - colour / _COLOUR_SCALE**2)
    trust = (1 - _LEAST_TRUST) * trust + _LEAST_TRUST
    return Motion(to_previous, np.asarray(trust, np.float32))


def flow(source: Grey, target: Grey, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Flow of full pictures, averaged down to working pixels.

    Dense inverse search (Kroeger et al., ECCV 2016), fast preset: its finest patches are
    those of a quarter of the picture, half a working picture; the medium one costs four
    times as much and tracks no better.
    """
    height, width = source.shape
    bottom, right = max(0, _SMALLEST_SIDE - height), max(0, _SMALLEST_SIDE - width)
    if bottom or right:
        source, target = (
            np.pad(plane, ((0, bottom), (0, right)), mode="edge") for plane in (source, target)
        )
    # A new object each time: DIS keeps buffers and is not safe to share between threads.
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    vectors = np.asarray(search.calc(source, target, np.zeros((*source.shape, 2), np.float32)))
    small = shrink(np.ascontiguousarray(vectors[:height, :width]), shape)
    small *= np.asarray([shape[1] / width, shape[0] / height], np.float32)
    return small


def carry(plane: Plane, to_previous: npt.NDArray[np.float32]) -> Plane:
    """`plane` of the frame before as seen now; its rim is drawn out beyond its edges."""
    height, width = plane.shape[:2]
    columns = to_previous[..., 0] + np.arange(width, dtype=np.float32)[None, :]
    rows = to_previous[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    carried = cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(carried, np.float32).reshape(plane.shape)
