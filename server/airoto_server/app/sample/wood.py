"""What is far away and out of focus: mist, a low sun, trees, undergrowth; grass at the lens."""

from __future__ import annotations

import math

import cv2
import numpy as np

from airoto_server.app.sample.noise import add_light, blur, fractal, step
from airoto_server.app.sample.stage import Layer, Stage

MIST = np.array([0.060, 0.118, 0.128])
GLOW = np.array([1.20, 0.88, 0.28])
GOLDEN = np.array([1.0, 0.70, 0.30])
LEAFY = np.array([0.42, 0.62, 0.34])


def wood(stage: Stage, rng: np.random.Generator) -> Layer:
    """Far away: mist, a low sun behind leaves, and discs of light."""
    parallax = 0.22
    width, height = stage.layer_size(parallax)
    x, y = stage.axes(width, height)
    wide, tall = width / stage.unit, height / stage.unit
    leaves = fractal(wide, tall, stage.unit, (2.2, 2.6), 4, rng, 0.6)
    crowns = step(-0.25, 0.55, leaves + 0.9 * (y + 0.05))
    sun = np.exp(-(((x - 0.66) / 0.34) ** 2) - (((y - 0.24) / 0.30) ** 2))
    halo = np.exp(-(((x - 0.6) / 0.75) ** 2) - (((y - 0.2) / 0.5) ** 2))
    air = MIST * (0.55 + 0.5 * np.clip(0.5 - y, 0, 1))[..., None]
    picture = air + sun[..., None] * GLOW * 0.50 + halo[..., None] * GLOW * 0.10
    shade_of_leaves = 1 - (0.72 - 0.30 * halo) * crowns
    picture = picture * shade_of_leaves[..., None]
    picture = blur(picture.astype(np.float32), 0.030 * stage.unit)
    for _ in range(150):
        at_x, at_y = rng.uniform(-0.5, 0.5) * wide, rng.normal(0.16, 0.17)
        near_sun = math.exp(-(((at_x - 0.6) / 0.55) ** 2) - ((at_y - 0.2) / 0.45) ** 2)
        size = rng.uniform(0.012, 0.036) * (0.7 + 0.5 * near_sun)
        hue = GOLDEN if rng.uniform() < 0.35 + 0.5 * near_sun else LEAFY
        power = rng.uniform(0.02, 0.14) * (0.35 + 2.6 * near_sun)
        add_light(
            picture,
            width / 2 + at_x * stage.unit,
            height / 2 - at_y * stage.unit,
            max(size * stage.unit, 1.0),
            (hue * power).astype(np.float32),
        )
    opaque = np.ones((height, width), np.float32)
    return Layer(np.dstack([blur(picture, 0.0025 * stage.unit), opaque]), parallax)


def trunks(stage: Stage, rng: np.random.Generator) -> Layer:
    """Trees that stand in the mist, out of focus, with the sun on their right edges."""
    parallax = 0.42
    width, height = stage.layer_size(parallax)
    x, y = stage.axes(width, height)
    out = np.zeros((height, width, 4), np.float32)
    wobble = fractal(1.0, height / stage.unit, stage.unit, (1.0, 1.6), 3, rng)[:, :1]
    for at, radius, depth in (
        (-0.86, 0.050, 0.35), (-0.60, 0.030, 0.7), (-0.30, 0.018, 0.85), (0.22, 0.016, 0.85),
        (0.37, 0.034, 0.55), (0.78, 0.060, 0.30), (1.02, 0.030, 0.7),
    ):  # fmt: skip
        lean = rng.uniform(-0.06, 0.06)
        middle = at + lean * y + 0.03 * wobble * rng.uniform(-1, 1)
        across = (x - middle) / (radius * (1.0 - 0.18 * y))
        cover = step(1.0, 0.8, np.abs(across)) * (1 - 0.35 * depth)
        lit = np.exp(-(((across - 0.8) / 0.30) ** 2)) * (0.5 + y).clip(0.1, 1)
        bark = np.array([0.016, 0.024, 0.026]) * (1 - depth) + MIST * 0.42 * depth
        colour = bark + lit[..., None] * GLOW * 0.13
        tree = np.dstack([colour * cover[..., None], cover]).astype(np.float32)
        tree = blur(tree, (0.008 + 0.012 * depth) * stage.unit)
        out = tree + out * (1 - tree[..., 3:])
    return Layer(out, parallax)


def leaves(stage: Stage, rng: np.random.Generator) -> Layer:
    """Undergrowth behind the log and twigs from above, soft."""
    parallax = 0.66
    width, height = stage.layer_size(parallax)
    x, y = stage.axes(width, height)
    wide, tall = width / stage.unit, height / stage.unit
    lumps = fractal(wide, tall, stage.unit, (3.5, 4.5), 4, rng, 0.62)
    rise = 0.10 * np.cos(2.4 * x) - 0.10 * (np.abs(x) < 0.42) * np.cos(x * math.pi / 0.84) ** 2
    bush = step(-0.12, 0.16, -(y + 0.24 - 0.9 * np.abs(rise)) * 2.2 + 0.42 * lumps)
    canopy = step(0.0, 0.5, (y - 0.46) * 3.0 + 0.55 * lumps) * 0.9
    cover = np.maximum(bush, canopy)
    tone = fractal(wide, tall, stage.unit, (7.0, 7.0), 3, rng)
    light = np.exp(-(((x - 0.5) / 0.7) ** 2))
    green = np.array([0.020, 0.040, 0.026]) * (1.0 + 0.7 * tone[..., None])
    green = green + (light * np.clip(tone + 0.1, 0, 1))[..., None] * np.array([0.13, 0.12, 0.025])
    layer = np.dstack([np.clip(green, 0, None) * cover[..., None], cover]).astype(np.float32)
    layer = blur(layer, 0.015 * stage.unit)
    lights = np.zeros((height, width, 3), np.float32)
    for _ in range(46):
        at_x = rng.uniform(-0.5, 0.5) * wide
        at_y = rng.uniform(-0.36, -0.08) - 0.03 * math.cos(4 * at_x)
        colour = np.array([0.50, 0.52, 0.16]) * rng.uniform(0.03, 0.22)
        colour = colour * (0.35 + 0.9 * math.exp(-(((at_x - 0.4) / 0.6) ** 2)))
        size = rng.uniform(0.007, 0.018) * stage.unit
        add_light(
            lights, width / 2 + at_x * stage.unit, height / 2 - at_y * stage.unit, max(size, 1.0),
            colour.astype(np.float32),
        )  # fmt: skip
    layer[..., :3] += lights * layer[..., 3:]
    return Layer(layer, parallax)


def grass(stage: Stage, rng: np.random.Generator) -> Layer:
    """Blades close to the lens, far out of focus, along the lower edge."""
    parallax = 1.5
    width, height = stage.layer_size(parallax)
    scale = 0.5
    small = (round(width * scale), round(height * scale))
    out = np.zeros((small[1], small[0], 4), np.float32)
    unit = stage.unit * scale
    for _ in range(34):
        x = rng.choice([-1, 1]) * rng.uniform(0.42, 1.25)
        tall = rng.uniform(0.03, 0.13) + 0.05 * abs(x)
        s = np.linspace(0, 1, 24)
        bend = rng.uniform(-0.12, 0.12)
        px = (x + bend * s**2) * unit + small[0] / 2
        py = small[1] / 2 + (0.56 - (tall + 0.06) * s) * unit
        thick = 0.011 * (1 - s) ** 0.7 * unit + 0.4
        outline = np.concatenate(
            [np.stack([px - thick, py], 1), np.stack([px + thick, py], 1)[::-1]]
        )
        blade = np.zeros(small[::-1], np.uint8)
        cv2.fillPoly(blade, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        cover = (blade.astype(np.float32) / 255)[..., None]
        tone = np.array([0.030, 0.050, 0.018]) * rng.uniform(0.5, 1.3) * (1.0 + 1.2 * (x > 0.3))
        ink = np.append(tone, 1.0).astype(np.float32)
        out *= 1 - cover
        out += cover * ink
    out = blur(out, 0.016 * unit)
    full = cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR)
    return Layer(np.asarray(full, np.float32), parallax)
