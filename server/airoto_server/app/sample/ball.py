"""The second object: a felt ball that rolls to and fro on the log."""

from __future__ import annotations

import math

import numpy as np

from airoto_server.app.sample.light import shaded
from airoto_server.app.sample.motion import camera
from airoto_server.app.sample.rig import GROUND, about_z
from airoto_server.app.sample.solids import Solid, ellipsoid, outline, points_for, solid
from airoto_server.app.sample.splat import Cloud, Core
from airoto_server.app.sample.strands import Affine, Groom, Strands, grow, mottle

RADIUS = 0.068
WOOL = np.array([0.42, 0.022, 0.030])
STRIPE = np.array([0.66, 0.58, 0.44])


def place(seconds: float) -> float:
    """Where its centre is, along the log, in the world."""
    return -0.50 + 0.045 * math.sin(1.9 * seconds + 0.6)


def build(detail: float, rng: np.random.Generator) -> tuple[Strands, Solid]:
    """Its felt and its core, about its centre, for `detail` samples to a unit of length."""
    amount = min(1.0, max(0.12, detail / 1080.0))
    at, normal = ellipsoid(int(7000 * amount), np.zeros(3), np.full(3, RADIUS), rng)
    band = (np.abs(normal @ np.array([0.5, 0.75, 0.43])) < 0.24)[:, None]
    tone = np.where(band, STRIPE, WOOL) * mottle(len(at), 0.18, rng)
    length = rng.uniform(0.006, 0.016, len(at))
    flow = rng.normal(0, 1, (len(at), 3))
    fuzz = grow(at, normal, flow, length, Groom(0.45, 0.05, 0.5, 0.2, 8), tone, rng, 0.7)
    count = points_for(4 * math.pi * RADIUS**2, detail, 0.6)
    core = ellipsoid(count, np.zeros(3), np.full(3, RADIUS * 0.985), rng)
    return fuzz, solid(*core, WOOL * 0.6, open_air=0.3)


def _roll(seconds: float) -> Affine:
    eye, x = camera(seconds), place(seconds)
    offset = np.array([x - eye[0], GROUND + RADIUS * 0.94 - eye[1], -0.05], np.float32)
    return about_z(-x / RADIUS), offset


def cloud(ball: tuple[Strands, Solid], detail: float, opened: float, closed: float) -> Cloud:
    """As shaded points, from when the shutter opens to when it closes (seconds)."""
    first, last = _roll(opened), _roll(closed)
    fuzz, core = ball
    shape = (np.zeros(3), np.full(3, RADIUS * 0.985))
    inside = Core(outline(*shape, first), outline(*shape, last), np.asarray(WOOL, np.float32))
    fuzzes, cores = (fuzz.moved(first), fuzz.moved(last)), (core.moved(first), core.moved(last))
    return shaded(fuzzes, cores, (inside,), detail)
