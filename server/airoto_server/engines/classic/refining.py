"""The boundary on the plate's own pixels: what colour says, close to where a mask ends.

A mask is found at working size, and one of its pixels is many of a large plate's. Around its
boundary, object and surroundings are told apart by a linear discriminant of colour (Fisher,
1936) for every place, of the pixels on either side of the mask nearby: local models along a
boundary, as in Video SnapCut (Bai et al., SIGGRAPH 2009). Where both sides look alike they say
little, and the mask's own boundary holds. Like the coefficients of the fast guided filter (He
and Sun, 2015), they change slowly over the picture, so they are found at working size and brought
to the plate, whose colours decide: no strand is too thin, and no plate too large.
"""

from __future__ import annotations

import math

import cv2
import numba
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.resizing import shrink, small_shape
from airoto_server.engines.classic.shapes import signed_distance
from airoto_server.engines.classic.track_frame import WORKING_SIDE
from airoto_server.engines.classic.track_object import box_of
from airoto_server.engines.edge_model import EdgeModel
from airoto_server.engines.roles import Mask, Picture
from airoto_server.ops.geometry import Window

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# All lengths are in working pixels. How far from its boundary a mask may be wrong, and over how
# much more it is surely right.
_REACH, _RAMP = 3.0, 2.0
# Log-odds per pixel from the boundary, within that reach and in the ramp beyond it.
_SLOPE, _STEEP = 0.35, 2.0
# Colours are gathered from squares of this radius, and this close to the boundary count less.
_RADIUS, _HEM, _HEM_WEIGHT = 4, 1.0, 0.2
# Around a mask beyond which none of it is looked at.
_AROUND = math.ceil(_REACH + _RAMP) + 2 * _RADIUS
# Added to the variances of colours, which are 0 to 1.
_EPSILON = 1e-3
# A side with less of the square than this says less.
_FEW = 0.1
# Neighbouring pixels say the same thing: what their colours say counts by half, and to a limit.
_WEIGHT, _MOST = 0.5, 2.0


def edge_model(picture: Picture, mask: Mask) -> EdgeModel | None:
    """What decides the boundary of a mask on a larger picture; None for a mask without one.

    Args:
        picture: (H, W, 3) float32, display-referred, that the mask was made for.
        mask: (H, W) float32, 0 to 1.
    """
    shape = small_shape(picture.shape, WORKING_SIDE)
    small = shrink(mask, shape) > 0.5
    if small.all() or not small.any():
        return None
    x_min, y_min, x_max, y_max = (round(side) for side in box_of(small))
    whole = Window.sized(shape[1], shape[0])
    window = Window(x_min, y_min, x_max, y_max).grown(_AROUND).intersect(whole)
    region = window.slices(whole)
    inside = small[region]
    distance = signed_distance(inside)
    # Stairs of the small mask are none of the object's.
    away = cv2.GaussianBlur(distance, (0, 0), 1.0)
    beyond = np.maximum(np.abs(away) - np.float32(_REACH), 0)
    prior = np.float32(_SLOPE) * away + np.float32(_STEEP) * np.sign(away) * beyond
    colours = _discriminants(shrink(picture, shape)[region], inside, distance)
    return EdgeModel(
        shape=shape,
        window=window,
        planes=np.concatenate([np.float32(_WEIGHT) * colours, prior[..., None]], axis=2),
        most=_MOST,
        sure=_SLOPE * _REACH + (_SLOPE + _STEEP) * _RAMP,
    )


def _discriminants(picture: Picture, inside: Bool, distance: Plane) -> Plane:
    """Log-odds of object over surroundings (h, w, 4) float32: by R, G, B, and a constant."""
    share = np.where(np.abs(distance) <= _HEM, np.float32(_HEM_WEIGHT), np.float32(1))
    sums = _blurred(_moments(picture, inside, share), _RADIUS)
    return _blurred(_fitted(sums), _RADIUS // 2)


def _blurred(planes: Plane, radius: int) -> Plane:
    """Means over squares."""
    side = 2 * radius + 1
    return np.asarray(cv2.blur(planes, (side, side)), np.float32)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _moments(picture, inside, share):  # type: ignore[no-untyped-def]
    """Of each pixel: weight and weighted colour of either side, and products of colours."""
    height, width = inside.shape
    moments = np.zeros((height, width, 14), np.float32)
    for y in range(height):
        for x in range(width):
            weight, colour, one = share[y, x], picture[y, x], moments[y, x]
            first = 0 if inside[y, x] else 4
            one[first] = weight
            at = 8
            for i in range(3):
                one[first + 1 + i] = weight * colour[i]
                for j in range(i, 3):
                    one[at] = weight * colour[i] * colour[j]
                    at += 1
    return moments


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fitted(sums):  # type: ignore[no-untyped-def]
    """The discriminant of each pixel from the gathered `_moments`."""
    height, width = sums.shape[:2]
    fitted = np.zeros((height, width, 4), np.float32)
    own, other = np.zeros(3), np.zeros(3)
    spread, slope = np.zeros((3, 3)), np.zeros(3)
    for y in range(height):
        for x in range(width):
            one = sums[y, x]
            count, rest = np.float64(one[0]), np.float64(one[4])
            total = count + rest
            few = min(count, rest) / (_FEW * total)
            if few < 1e-3:
                continue
            for i in range(3):
                own[i], other[i] = one[1 + i] / count, one[5 + i] / rest
            at = 8
            for i in range(3):
                for j in range(i, 3):
                    between = count * own[i] * own[j] + rest * other[i] * other[j]
                    spread[i, j] = spread[j, i] = (one[at] - between) / total
                    at += 1
                spread[i, i] += _EPSILON
            (a, b, c), (_, d, e), (_, _, f) = spread
            # The inverse of a symmetric matrix by cofactors.
            first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
            middle, side, last = a * f - c * c, b * c - a * e, a * d - b * b
            scale = min(few, 1.0) / (a * first + b * second + c * third)
            p, q, r = own - other
            slope[0] = scale * (first * p + second * q + third * r)
            slope[1] = scale * (second * p + middle * q + side * r)
            slope[2] = scale * (third * p + side * q + last * r)
            for i in range(3):
                fitted[y, x, i] = slope[i]
                fitted[y, x, 3] -= slope[i] * (own[i] + other[i]) / 2
    return fitted
