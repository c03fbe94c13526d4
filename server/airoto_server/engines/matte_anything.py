"""Matte Anything: a segmenter's mask, a detector's transparent things, a matter's alpha.

Source: Yao et al., Matte Anything: Interactive Natural Image Matting with Segment Anything
Model, Image and Vision Computing 2024, arXiv 2306.04121. The mask becomes a trimap by growing
and shrinking; where a detector finds something that one can see through, the inside of the
mask is unknown too, so that the matter decides how much shows through.

It is composed of whatever segmenter, detector and matter are the best here. What is its own is
this rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from airoto.errors import InternalError
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import Engine, EngineFacts, Trimap

# The paper's words, and what drifts or burns.
PHRASES = "glass. lens. crystal. diamond. bubble. bulb. web. grid. veil. water. smoke. fire. flame"

Box = tuple[float, float, float, float]


def widened(trimap: Trimap, boxes: Sequence[Box]) -> Trimap:
    """A trimap whose foreground is unknown inside boxes of transparent things.

    Some foreground has to stay for a matter to know what it is: where the boxes hold all of
    it, its innermost part stays.

    Args:
        boxes: x_min, y_min, x_max, y_max in pixels of the trimap; pixels they touch count.
    """
    made = trimap.copy()
    for x_min, y_min, x_max, y_max in boxes:
        rows = slice(max(0, int(np.floor(y_min))), max(0, int(np.ceil(y_max))))
        columns = slice(max(0, int(np.floor(x_min))), max(0, int(np.ceil(x_max))))
        inside = made[rows, columns]
        inside[inside >= 1] = 0.5
    if (trimap >= 1).any() and not (made >= 1).any():
        made[_core(trimap)] = 1
    return made


def _core(trimap: Trimap) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The tenth of the foreground that lies deepest."""
    import cv2

    depth = cv2.distanceTransform((trimap >= 1).astype(np.uint8), cv2.DIST_L2, 5)
    known = depth[depth > 0]
    deep: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = depth >= np.quantile(known, 0.9)
    return deep


def _load(options: LoadOptions) -> Engine:
    raise InternalError("matte-anything is composed of other engines and cannot be loaded")


SPECS: tuple[EngineSpec, ...] = (
    EngineSpec(
        role=Role.MATTER,
        facts=EngineFacts(
            name="matte-anything",
            version="1",
            description="Matte Anything: segmenter, detector of transparent things, matter",
            licence="MIT",
            commercial_use=True,
        ),
        load=_load,
        rank=-1,
        parts=(Role.SEGMENTER, Role.DETECTOR, Role.MATTER),
    ),
)
