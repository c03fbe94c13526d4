"""Fractal noise and out-of-focus lights, laid out in units of the frame's height.

They keep their size against the frame whatever the resolution.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.app.sample.strands import Floats


def fractal(
    wide: float,
    tall: float,
    unit: float,
    frequency: tuple[float, float],
    octaves: int,
    rng: np.random.Generator,
    gain: float = 0.5,
) -> Floats:
    """Smooth noise over `wide` x `tall` units, about -1 to 1, at `unit` pixels to a unit.

    Args:
        frequency: cells to a unit, along x and y, of the first octave; each next has twice.
    """
    width, height = round(wide * unit), round(tall * unit)
    total = np.zeros((height, width), np.float32)
    weight, most = 1.0, 0.0
    for octave in range(octaves):
        fx, fy = frequency[0] * 2**octave, frequency[1] * 2**octave
        columns, rows = math.ceil(wide * fx) + 3, math.ceil(tall * fy) + 3
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        # Finer than the pixels: it would only alias.
        if fx > unit / 2 or fy > unit / 2:
            continue
        x = (np.arange(width, dtype=np.float32) + 0.5) * np.float32(fx / unit) + 0.5
        y = (np.arange(height, dtype=np.float32) + 0.5) * np.float32(fy / unit) + 0.5
        map_x, map_y = np.meshgrid(x, y)
        total += weight * cv2.remap(grid, map_x, map_y, cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT)
        most += weight
        weight *= gain
    return total * np.float32(1.6 / max(most, 1e-6))


def step(low: float, high: float, x: npt.NDArray[np.floating]) -> Floats:
    """0 below `low`, 1 above `high`, smooth between."""
    u = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(u * u * (3 - 2 * u), np.float32)


def blur(picture: Floats, sigma: float) -> Floats:
    """Gaussian; `sigma` in pixels."""
    if sigma < 0.3:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def add_light(
    picture: Floats, x: float, y: float, radius: float, colour: Floats, softness: float = 0.12
) -> None:
    """Add a highlight that is out of focus: a disc, slightly brighter at its rim.

    `x`, `y`, `radius` in pixels; `picture` (H, W, 3) is changed in place.
    """
    height, width = picture.shape[:2]
    reach = radius * (1 + softness) + 1.5
    x0, x1 = max(0, math.floor(x - reach)), min(width, math.ceil(x + reach))
    y0, y1 = max(0, math.floor(y - reach)), min(height, math.ceil(y + reach))
    if x0 >= x1 or y0 >= y1:
        return
    dx = np.arange(x0, x1, dtype=np.float32) + 0.5 - np.float32(x)
    dy = np.arange(y0, y1, dtype=np.float32) + 0.5 - np.float32(y)
    far = np.sqrt(dx[None] ** 2 + dy[:, None] ** 2) / np.float32(radius)
    soft = softness + 1.0 / radius
    disc = step(1 + soft, 1 - soft, far) * (0.62 + 0.38 * np.clip(far, 0, 1) ** 3)
    picture[y0:y1, x0:x1] += disc[..., None] * colour
