"""Dense optical flow between two pictures."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Flow = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

# DIS refuses pictures smaller than its coarsest patch; smaller ones are padded up to this.
_SMALLEST_SIDE = 32


def grey_of(picture: npt.NDArray[np.float32]) -> Grey:
    """8-bit luma of a display-referred picture, the input of the flow."""
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
    grey: Grey = np.clip(luma * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return grey


def dense_flow(source: Grey, target: Grey) -> Flow:
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
