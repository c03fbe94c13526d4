"""One frame of the sample clip: everything rendered, and put together in linear light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from airoto_server.app.sample import ball, creature, log, rig, wood
from airoto_server.app.sample.motion import FRAME_RATE, SHUTTER, camera, pose
from airoto_server.app.sample.solids import Solid
from airoto_server.app.sample.splat import SUPERSAMPLING, splat
from airoto_server.app.sample.stage import Layer, Stage, over
from airoto_server.app.sample.strands import Floats, Strands
from airoto_server.ops.seeds import seed_for

# Moments at which the shutter looks: with the samples of a pixel, 64 steps of coverage.
INSTANTS = 16


@dataclass(frozen=True)
class World:
    """What does not change during the clip."""

    stage: Stage
    far: tuple[Layer, ...]
    ground: Layer
    near: Layer
    hero: creature.Creature
    ball: tuple[Strands, Solid] | None
    seed: int


@dataclass(frozen=True)
class Layers:
    """A frame in its parts, over the overscanned picture; linear ACEScg.

    `plate == foreground + (1 - sum(alphas)) * background`, exactly.

    Attributes:
        foreground: (H, W, 3) float32, all objects together, premultiplied.
        alphas: (H, W) float32 for each object, 0 to 1, as far as it is to be seen.
        background: (H, W, 3) float32.
    """

    foreground: Floats
    alphas: tuple[Floats, ...]
    background: Floats

    def plate(self) -> Floats:
        """The comp, (H, W, 3) float32."""
        clear = 1 - np.sum(self.alphas, axis=0)[..., None]
        return np.asarray(self.foreground + clear * self.background, np.float32)


def build(width: int, height: int, margin_x: int, margin_y: int, objects: int, seed: int) -> World:
    """Grow and paint everything for pictures of `width` x `height` and the overscan around."""
    stage = Stage(width + 2 * margin_x, height + 2 * margin_y, float(height))
    detail = stage.unit * SUPERSAMPLING
    rng = np.random.default_rng(seed_for(seed, "scenery"))
    far = (wood.wood(stage, rng), wood.trunks(stage, rng), wood.leaves(stage, rng))
    return World(
        stage,
        far,
        log.log(stage, rig.GROUND, rng),
        wood.grass(stage, rng),
        creature.build(detail, np.random.default_rng(seed_for(seed, "hero"))),
        ball.build(detail, np.random.default_rng(seed_for(seed, "ball"))) if objects > 1 else None,
        seed,
    )


def render(world: World, index: int) -> Layers:
    """Frame `index` of the clip, counted from 0."""
    stage = world.stage
    opened, closed = index / FRAME_RATE, (index + SHUTTER) / FRAME_RATE
    eyes = camera(opened), camera(closed)
    back = np.zeros((stage.height, stage.width, 3), np.float32)
    for layer in world.far:
        back = over(layer.seen(stage, *eyes), back)
    ground = world.ground.seen(stage, *eyes)
    ground[..., :3] *= _shadows(world, 0.5 * (opened + closed))[..., None]
    back = over(ground, back)
    back = over(world.near.seen(stage, *eyes), back)

    rng = np.random.default_rng(seed_for(world.seed, "frame", index))
    size = (stage.width, stage.height, stage.unit, INSTANTS)
    hero = splat(rig.cloud(world.hero, opened, closed), *size, rng)
    fore: Floats = hero[..., :3]
    alphas: tuple[Floats, ...] = (hero[..., 3],)
    if world.ball is not None:
        points = ball.cloud(world.ball, stage.unit * SUPERSAMPLING, opened, closed)
        behind = splat(points, *size, rng) * (1 - hero[..., 3:])
        fore = fore + behind[..., :3]
        alphas = (*alphas, behind[..., 3])
    return _through_lens(Layers(fore, alphas, back), stage, rng)


def _shadows(world: World, seconds: float) -> Floats:
    """How much light the objects leave on the log, (H, W), 0 to 1."""
    stage = world.stage
    at, eye = pose(seconds), camera(seconds)
    x, y = stage.axes(stage.width, stage.height)
    dy = y - (rig.GROUND - eye[1])

    def spot(from_x: float, below: float, wide: float, tall: float) -> Floats:
        dx = x - (from_x - eye[0])
        return np.asarray(np.exp(-((dx / wide) ** 2) - ((dy + below) / tall) ** 2), np.float32)

    # The sun stands behind to the right: shadows fall to the left and towards the camera.
    rise = 1 + 3 * at.lift
    light = 1 - 0.62 / rise * spot(at.x - 0.05 - 0.5 * at.lift, 0.055, 0.17 * rise, 0.065 * rise)
    touch = max(0.0, 1 - at.lift / 0.05)
    feet = spot(at.x - rig.HIP, 0.012, 0.05, 0.018) + spot(at.x + rig.HIP, 0.012, 0.05, 0.018)
    light *= 1 - 0.5 * touch * np.clip(feet, 0, 1)
    if world.ball is not None:
        place = ball.place(seconds)
        light *= 1 - 0.6 * spot(place - 0.03, 0.030, 0.085, 0.045)
        light *= 1 - 0.6 * spot(place, 0.004, 0.045, 0.020)
    return np.asarray(light, np.float32)


def _through_lens(layers: Layers, stage: Stage, rng: np.random.Generator) -> Layers:
    """Veiling glare, falloff and grain, on foreground and background alike.

    What is added to the whole picture is added to the foreground times its alpha, so that
    the parts still make up the plate.
    """
    x, y = stage.axes(stage.width, stage.height)
    cover = np.sum(layers.alphas, axis=0)[..., None]
    falloff = (1 - 0.16 * (x**2 + y**2))[..., None]
    glare = np.exp(-(((x - 0.75) / 0.8) ** 2) - ((y - 0.42) / 0.6) ** 2)[..., None]
    glare = glare * np.array([0.055, 0.038, 0.020], np.float32)
    fore = layers.foreground * falloff + cover * glare
    back = layers.background * falloff + glare
    # Grain: clumps about a pixel wide, as strong as the square root of the light.
    plate = np.clip(fore + (1 - cover) * back, 0, None)
    grain = rng.standard_normal((stage.height, stage.width, 3), np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.6) * (0.023 * np.sqrt(plate + 0.004))
    return Layers(
        np.asarray(fore + cover * grain, np.float32),
        layers.alphas,
        np.asarray(back + grain, np.float32),
    )
