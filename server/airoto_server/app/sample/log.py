"""The fallen trunk that the hero stands on: bark, moss and grass, in focus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.app.sample.light import AMBIENT, SKY_COLOUR, SUN_COLOUR, shaded
from airoto_server.app.sample.noise import fractal, step
from airoto_server.app.sample.splat import SUPERSAMPLING, splat
from airoto_server.app.sample.stage import Layer, Stage
from airoto_server.app.sample.strands import (
    Floats,
    Groom,
    Strands,
    grow,
    joined,
    mottle,
    normalised,
)

MOSS = np.array([0.105, 0.165, 0.030])
STALK = np.array([0.22, 0.20, 0.05])
BLADE = np.array([0.19, 0.22, 0.05])
BARK = np.array([0.100, 0.088, 0.078])
LICHEN = np.array([0.20, 0.23, 0.17])
# From the top edge to where the trunk turns under, in units of the frame's height.
_DEPTH = 0.34


def log(stage: Stage, ground: float, rng: np.random.Generator) -> Layer:
    """A fallen trunk along the frame, in focus: bark, and moss on its top.

    `ground` is the height of its top, from the picture's centre, in units.
    """
    width, height = stage.layer_size(1.0)
    _, y = stage.axes(width, height)
    wide, tall = width / stage.unit, height / stage.unit
    swell = fractal(wide, 1.0, stage.unit, (0.9, 1.0), 6, rng, 0.55)[:1]
    top = ground + 0.006 + 0.030 * swell
    down = (top - y) / _DEPTH
    pixel = 1 / (_DEPTH * stage.unit)
    cover = step(-0.5 * pixel, 0.5 * pixel, down)
    warp = fractal(wide, tall, stage.unit, (3.0, 5.0), 4, rng)
    grain = fractal(wide, tall, stage.unit, (5.0, 26.0), 6, rng, 0.80)
    plates = fractal(wide, tall, stage.unit, (6.0, 13.0), 6, rng, 0.62)
    cracks = step(0.02, 0.26, np.abs(plates + 0.25 * grain))
    relief = 0.9 * grain + 0.7 * cracks + 0.4 * warp
    slope = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.125) * stage.unit / 45.0
    upward = np.clip(1 - down * 1.2, 0, 1)
    sky = np.clip(0.16 + 0.62 * upward + 0.30 * slope, 0.02, 1.5) * (0.42 + 0.58 * cracks)
    edge = np.exp(-down.clip(0, None) / 0.035)
    tone = (1 + 0.35 * warp + 0.40 * grain).clip(0.2, None)[..., None]
    colour = (
        BARK
        * tone
        * (sky[..., None] * SKY_COLOUR * 0.62 + AMBIENT * 0.4 + edge[..., None] * SUN_COLOUR * 0.22)
    )
    lichen = step(0.35, 0.65, fractal(wide, tall, stage.unit, (6.0, 8.0), 4, rng, 0.6))
    pale = LICHEN * (sky * 0.8)[..., None]
    colour = colour * (1 - 0.55 * lichen[..., None]) + pale * 0.55 * lichen[..., None]
    bark = np.dstack([np.clip(colour, 0, None) * cover[..., None], cover]).astype(np.float32)
    moss = _moss(stage, top[0], width, height, rng)
    return Layer(moss + bark * (1 - moss[..., 3:]), 1.0)


@dataclass(frozen=True)
class _Growth:
    """One kind of plant: how many, how far down they grow, how patchy, how long, how they lie."""

    count: int
    spread: float
    patchy: float
    shortest: float
    longest: float
    groom: Groom
    colour: npt.NDArray[np.float64]
    root_tone: float = 0.3


_PLANTS = (
    _Growth(42000, 0.062, 0.55, 0.008, 0.022, Groom(0.8, 0.10, 0.25, 0.65, 12), MOSS),
    _Growth(16000, 0.150, 1.00, 0.006, 0.014, Groom(0.7, 0.15, 0.30, 0.70, 14), MOSS * 0.8),
    _Growth(900, 0.016, 0.30, 0.020, 0.045, Groom(0.95, 0.12, 0.16, 0.0), STALK, 0.6),
    _Growth(130, 0.014, 0.20, 0.050, 0.110, Groom(0.90, 0.35, 0.20, 0.0), BLADE, 0.5),
)


def _grown(
    plant: _Growth, amount: float, half: float, top: Floats, rng: np.random.Generator
) -> Strands:
    """Strands of one kind along the log's top edge (heights over -half..half)."""
    count = int(plant.count * amount)
    px = rng.uniform(-half, half, count)
    down = np.abs(rng.normal(0, plant.spread, count)) - 0.004
    patch = np.sin(px * 9.3) + 0.6 * np.sin(px * 23.1 + 40 * down) + 0.5 * np.sin(px * 4.1 + 4)
    ragged = rng.normal(0, 0.25, count)
    keep = down < plant.spread * (1.25 + plant.patchy * patch + ragged)
    px, down = px[keep], down[keep]
    count = len(px)
    edge = np.interp(px, np.linspace(-half, half, len(top)), top)
    turn = np.clip(down / _DEPTH, 0, 1) * 1.9
    at = np.stack([px, edge - down, 0.02 + down], 1).astype(np.float32)
    normal = normalised(np.stack([rng.normal(0, 0.12, count), np.cos(turn), np.sin(turn)], 1))
    length = rng.uniform(plant.shortest, plant.longest, count)
    flow = rng.normal(0, 1, (count, 3)) + np.array([0.2, 0.2, 0.6])
    hue = plant.colour * (1 + rng.normal(0, 0.12, (count, 3)))
    tip = np.clip(hue, 0.004, None) * mottle(count, 0.25, rng)
    return grow(at, normal, flow, length, plant.groom, tip, rng, plant.root_tone)


def _moss(stage: Stage, top: Floats, width: int, height: int, rng: np.random.Generator) -> Floats:
    """All plants over the log: premultiplied RGBA of the layer's size."""
    # Fewer, relatively thicker plants in a small picture.
    amount = min(1.0, max(0.15, stage.unit * SUPERSAMPLING / 1080))
    half = width / stage.unit / 2
    strands = joined([_grown(plant, amount, half, top, rng) for plant in _PLANTS])
    cloud = shaded((strands, strands), None, (), stage.unit * SUPERSAMPLING)
    picture = splat(cloud, width, height, stage.unit, 8, rng)
    # The trees take some of the light down here.
    picture[..., :3] *= 0.72
    return picture
