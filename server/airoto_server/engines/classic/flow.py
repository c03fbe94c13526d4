"""Dense optical flow between neighbouring frames, and what to trust of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.parallel import ordered_map

Plane = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

# DIS refuses pictures smaller than its coarsest patch; smaller ones are padded up to this.
_SMALLEST_SIDE = 32
# Pixels of forward-backward error at which trust in a vector has fallen to 1/e.
_ERROR_SCALE = 1.5


@dataclass(frozen=True)
class Motion:
    """How the current frame came out of the previous one.

    Attributes:
        to_previous: (H, W, 2) float32, x and y in pixels: where each pixel of the current
            frame was in the previous one.
        trust: (H, W) float32, 0 to 1, from forward-backward agreement.
    """

    to_previous: npt.NDArray[np.float32]
    trust: Plane


def grey_of(picture: npt.NDArray[np.float32]) -> Grey:
    """8-bit luma of a display-referred picture, the input of the flow."""
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
    grey: Grey = np.clip(luma * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return grey


def dense_flow(source: Grey, target: Grey) -> npt.NDArray[np.float32]:
    """Vectors (H, W, 2) from each pixel of `source` to where it is in `target`.

    Dense inverse search (Kroeger et al., ECCV 2016), medium preset.
    """
    height, width = source.shape
    bottom, right = max(0, _SMALLEST_SIDE - height), max(0, _SMALLEST_SIDE - width)
    if bottom or right:
        source, target = (
            np.pad(plane, ((0, bottom), (0, right)), mode="edge") for plane in (source, target)
        )
    # A new object each time: DIS keeps buffers and is not safe to share between threads.
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(source, target, np.zeros((*source.shape, 2), np.float32))
    return np.ascontiguousarray(flow[:height, :width], np.float32)


def measure_motion(previous: Grey, current: Grey) -> Motion:
    """Flow both ways, side by side, and their agreement."""
    to_previous, to_current = ordered_map(
        lambda pair: dense_flow(*pair), [(current, previous), (previous, current)], 0
    )
    there_and_back = to_previous + warp(to_current, to_previous)
    squared = np.einsum("hwc,hwc->hw", there_and_back, there_and_back)
    trust = np.exp(-squared / np.float32(_ERROR_SCALE**2))
    return Motion(to_previous, trust.astype(np.float32))


def warp(
    plane: npt.NDArray[np.float32], to_previous: npt.NDArray[np.float32], outside: float = 0.0
) -> npt.NDArray[np.float32]:
    """`plane` of the previous frame as seen in the current one; `outside` where it left."""
    height, width = plane.shape[:2]
    columns = np.arange(width, dtype=np.float32)[None, :]
    rows = np.arange(height, dtype=np.float32)[:, None]
    warped = cv2.remap(
        plane,
        to_previous[..., 0] + columns,
        to_previous[..., 1] + rows,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(outside,) * 4,
    )
    return np.asarray(warped, np.float32).reshape(plane.shape)
