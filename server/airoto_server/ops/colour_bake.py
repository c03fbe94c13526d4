"""View transforms that cost hundreds of nanoseconds a pixel, baked into a lookup table.

ACES output transforms run at 380 (ACES 2) and 220 (ACES 1) ns a pixel on one CPU core, which
is most of a second for a 1080p frame. Baked they take 30 to 50.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import PyOpenColorIO as ocio

# Grid points a side of the table. The grid is even in log2(1 + x / _TOE), x scene-linear from
# 0 to _TOP, which an SDR view shows as white.
_GRID = 65
_TOE = 1.0 / 128.0
_TOP = 256.0

# Tables by what they are made of, 3 MB each; views in use are few.
_tables: dict[str, Any] = {}

# The part of a chain from here on is worth baking.
_SLOW = frozenset(
    {
        ocio.FIXED_FUNCTION_ACES_OUTPUT_TRANSFORM_20,
        ocio.FIXED_FUNCTION_ACES_RGB_TO_JMH_20,
        ocio.FIXED_FUNCTION_ACES_GLOW_03,
        ocio.FIXED_FUNCTION_ACES_GLOW_10,
        ocio.FIXED_FUNCTION_ACES_RED_MOD_03,
        ocio.FIXED_FUNCTION_ACES_RED_MOD_10,
    }
)


def baked(config: Any, processor: Any) -> Any:
    """The processor itself, or an equal one with its ACES output transform baked.

    What is baked depends on the chain alone, never on picture size or timing, so a pixel has
    one answer. Everything up to the point where ACES 2 clamps to AP1 stays exact, so the
    table loses nothing to negative values; ACES 1 chains are cut at their first slow step, where
    negative values are clamped.

    Measured for ACEScg and the ACES 2 sRGB view, in 1/255 of the display range: photographs mean
    0.06, 99.9 % below 0.9, at most 2.6; greys below 0.2; random saturated colours mean 0.08, and
    up to 40 in single pixels on the gamut's edge, where ACES itself jumps. ACES 1 photographs: mean
    0.11, 99.9 % below 4, at most 7.
    """
    chain = list(processor.createGroupTransform())
    slow = [i for i, step in enumerate(chain) if _is_slow(step)]
    if not slow:
        return processor
    clamps = [i for i in range(slow[0]) if isinstance(chain[i], ocio.RangeTransform)]
    cut = clamps[-1] + 1 if clamps else slow[0]
    return config.getProcessor(
        ocio.GroupTransform([*chain[:cut], _shaper(), _table(config, chain[cut:])])
    )


def _is_slow(step: Any) -> bool:
    return isinstance(step, ocio.FixedFunctionTransform) and step.getStyle() in _SLOW


def _shaper() -> Any:
    """Scene-linear 0 to _TOP onto 0 to 1: log2(1 + x / _TOE), scaled."""
    clamp = ocio.RangeTransform(minInValue=0.0, maxInValue=_TOP, minOutValue=0.0, maxOutValue=_TOP)
    log = ocio.LogAffineTransform(
        logSideSlope=[1.0 / math.log2(1.0 + _TOP / _TOE)] * 3,
        linSideSlope=[1.0 / _TOE] * 3,
        linSideOffset=[1.0] * 3,
    )
    log.setBase(2.0)
    return ocio.GroupTransform([clamp, log])


def _table(config: Any, steps: list[Any]) -> Any:
    """The steps as a table. Plates of every space share that of their view."""
    processor = config.getProcessor(ocio.GroupTransform(steps))
    key = processor.getCacheID()
    if key not in _tables:
        _tables[key] = _sampled(processor)
    return _tables[key]


def _sampled(processor: Any) -> Any:
    axis = _TOE * ((1.0 + _TOP / _TOE) ** np.linspace(0.0, 1.0, _GRID) - 1.0)
    red, green, blue = np.meshgrid(axis, axis, axis, indexing="ij")
    colours = np.ascontiguousarray(np.stack([red, green, blue], axis=-1), np.float32)
    processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB(colours)
    table = ocio.Lut3DTransform(gridSize=_GRID)
    table.setInterpolation(ocio.INTERP_TETRAHEDRAL)
    table.setData(np.clip(colours, 0.0, 1.0).reshape(-1))
    return table
