"""The hero: a downy bird with a crest, grown strand by strand on a few ellipsoids.

At rest it looks straight into the camera; the origin is the body's centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airoto_server.app.sample.solids import Solid, ellipsoid, points_for, solid
from airoto_server.app.sample.solids import joined as joined_solids
from airoto_server.app.sample.strands import (
    Floats,
    Groom,
    Strands,
    from_bezier,
    grow,
    joined,
    mottle,
    normalised,
)

BODY_RADII = np.array([0.150, 0.145, 0.145])
HEAD_CENTRE = np.array([0.0, 0.150, 0.045])
HEAD_RADII = np.array([0.118, 0.104, 0.110])
# About the shoulder.
WING_CENTRE = np.array([0.012, -0.062, -0.012])
WING_RADII = np.array([0.026, 0.075, 0.066])

RUFOUS = np.array([0.47, 0.205, 0.072])
CREAM = np.array([0.78, 0.61, 0.41])
UMBER = np.array([0.17, 0.075, 0.035])
GOLD = np.array([0.74, 0.42, 0.12])
HORN = np.array([0.42, 0.20, 0.055])
SKIN = UMBER * 0.6
# Under the roots of the fur.
BODY_CORE = BODY_RADII * 0.97
HEAD_CORE = HEAD_RADII * 0.96
WING_CORE = WING_RADII * 0.92


@dataclass(frozen=True)
class Creature:
    """Its parts, in the rest pose of whatever carries them.

    Attributes:
        body, head: fur.
        crest: plumes, carried by the head; they sway most.
        wing: the right one, about its shoulder. The left one is its mirror image.
        body_skin, head_skin: eyes and beak, and points of the skin that cast shadows; what
            fills it is drawn as cores.
        detail: samples to a unit of length that all this was grown for.
    """

    body: Strands
    head: Strands
    crest: Strands
    wing: Strands
    body_skin: Solid
    head_skin: Solid
    detail: float


def build(detail: float, rng: np.random.Generator) -> Creature:
    """Grow it for pictures with `detail` samples to a unit of length."""
    # Fewer, relatively thicker strands in a small picture; never more than a 1080 line
    # picture needs.
    amount = min(1.0, max(0.12, detail / 1080.0))
    skin = solid(
        *ellipsoid(
            points_for(4 * math.pi * BODY_RADII[0] ** 2, detail, 0.12), np.zeros(3), BODY_CORE, rng
        ),
        SKIN,
        open_air=0.0,
    )
    return Creature(
        body=_body(amount, rng),
        head=_head(amount, rng),
        crest=_crest(amount, rng),
        wing=_wing(amount, rng),
        body_skin=skin,
        head_skin=_head_skin(detail, rng),
        detail=detail,
    )


def _lengths(
    base: npt.NDArray[np.floating], strays: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Random lengths about `base`, some of them strays that stick out."""
    length = base * rng.uniform(0.65, 1.25, len(base))
    return np.where(rng.uniform(size=len(base)) < strays, length * 1.5, length)


def _body(amount: float, rng: np.random.Generator) -> Strands:
    at, normal = ellipsoid(int(12000 * amount), np.zeros(3), BODY_RADII, rng)
    outside = np.sum(((at - HEAD_CENTRE) / (HEAD_RADII * 0.8)) ** 2, 1) > 1
    at, normal = at[outside], normal[outside]
    flow = np.stack([at[:, 0] * 1.5, np.full(len(at), -1.0), -0.6 - at[:, 2] * 2], 1)
    below = np.clip(-at[:, 1] / 0.15, -0.6, 1)
    length = _lengths(0.058 + 0.018 * below, 0.05, rng)

    chest = np.clip(normal[:, 2] * 1.5 - 0.15 - 0.36 * at[:, 1] / 0.15, 0, 1)[:, None]
    bars = 0.5 + 0.5 * np.sin(at[:, 1] * 95 + 2 * np.sin(at[:, 0] * 40) + 3 * at[:, 0])
    spots = np.clip(bars * 2.2 - 1.2, 0, 1)[:, None] * 0.5 * chest
    coat = RUFOUS * (1 - chest) + CREAM * chest
    coat = (coat * (1 - spots) + RUFOUS * 0.75 * spots) * mottle(len(at), 0.16, rng)
    groom = Groom(lift=0.42, droop=0.20, frizz=0.13, clump=0.55, tuft=18)
    return grow(at, normal, flow, length, groom, coat, rng, root_tone=0.5)


def _head(amount: float, rng: np.random.Generator) -> Strands:
    at, normal = ellipsoid(int(10000 * amount), HEAD_CENTRE, HEAD_RADII, rng)
    local = (at - HEAD_CENTRE) / HEAD_RADII
    flow = local - np.array([0.0, -0.10, 1.05])
    face = np.clip((local[:, 2] - 0.35) / 0.4, 0, 1)
    length = _lengths(0.044 - 0.028 * face, 0.05, rng)

    ahead = local[:, 2] > 0
    across, over = np.abs(local[:, 0]) - 0.43, local[:, 1] - 0.10
    disc = (np.exp(-(((across / 0.40) ** 2 + (over / 0.46) ** 2) ** 2)) * ahead)[:, None]
    lid = (np.exp(-((across / 0.27) ** 2) - ((over / 0.29) ** 2)) * ahead)[:, None] * 0.85
    chin = np.clip(-local[:, 1] * 1.6 - 0.2, 0, 1)[:, None]
    coat = RUFOUS * (1 - chin) + CREAM * chin
    coat = coat * (1 - disc) + CREAM * disc
    coat = (coat * (1 - lid) + UMBER * lid) * mottle(len(at), 0.14, rng)
    groom = Groom(lift=0.40, droop=0.05, frizz=0.12, clump=0.4, tuft=14)
    return grow(at, normal, flow, length, groom, coat, rng, root_tone=0.5)


def _crest(amount: float, rng: np.random.Generator) -> Strands:
    """Thin stems that end in fans: one sees through between them."""
    parts = []
    stems = 11
    for index in range(stems):
        lean = (index / (stems - 1) * 2 - 1) * 0.85 + rng.normal(0, 0.04)
        reach = rng.uniform(0.115, 0.150) * (1 - 0.16 * abs(lean))
        out = np.array([math.sin(lean), math.cos(lean), -0.10 + 0.25 * (index % 2)])
        root = HEAD_CENTRE + np.array([lean * 0.035, 0.096, -0.006])
        side = np.array([math.cos(lean), -math.sin(lean), 0.0])
        bow = side * np.sign(lean or 1.0) * reach * 0.16
        tip = root + out * reach + bow
        hairs = max(3, int(7 * amount))
        knots = np.stack(
            [root, root + out * reach * 0.45 - bow * 0.4, tip - out * reach * 0.3, tip]
        )
        control = knots + rng.normal(0, 1, (hairs, 4, 3)) * np.array([2, 1, 1, 1])[:, None] * 1e-3
        parts.append(_plume(control, UMBER * 1.5, GOLD * 0.6, rng))
        barbs = int(95 * amount)
        spread = np.linspace(-1.15, 1.15, barbs) + rng.normal(0, 0.12, barbs)
        away = (
            normalised(out)[None] * np.cos(spread)[:, None] + side[None] * np.sin(spread)[:, None]
        )
        away[:, 2] += rng.normal(0, 0.35, barbs)
        size = (0.044 * rng.uniform(0.6, 1.15, barbs) * (1 - 0.25 * np.abs(spread)))[:, None]
        start = tip - out * reach * 0.22 * rng.uniform(0, 1, (barbs, 1)) ** 2
        hook = np.array([0.0, -0.010, 0.0]) + rng.normal(0, 0.003, (barbs, 3))
        fan = np.stack(
            [
                start,
                start + away * size * 0.4,
                start + away * size * 0.8,
                start + away * size + hook,
            ],
            1,
        )
        parts.append(_plume(fan, GOLD * 0.8, GOLD * 1.25, rng))
    return joined(parts)


def _plume(
    control: npt.NDArray[np.floating],
    root: npt.NDArray[np.floating],
    tip: npt.NDArray[np.floating],
    rng: np.random.Generator,
) -> Strands:
    count = len(control)
    tone = mottle(count, 0.2, rng)
    normal = np.tile(normalised(np.array([0.0, 0.5, 0.75])), (count, 1))
    return from_bezier(np.asarray(control, np.float32), normal, root * tone, tip * tone)


def _wing(amount: float, rng: np.random.Generator) -> Strands:
    centre, radii = WING_CENTRE, WING_RADII
    at, normal = ellipsoid(int(4200 * amount), centre, radii, rng)
    flow = np.tile(np.array([[-0.10, -1.0, -0.35]]), (len(at), 1))
    edge = np.clip(-(at[:, 1] - centre[1]) / radii[1], 0, 1)
    length = _lengths(0.034 + 0.055 * edge, 0.02, rng)
    row = (0.5 + 0.5 * np.sin(at[:, 1] * 130 + 8 * at[:, 2]))[:, None]
    coat = (RUFOUS * 0.85 * (1 - row) + UMBER * row) * mottle(len(at), 0.15, rng)
    groom = Groom(lift=0.10, droop=0.06, frizz=0.06, clump=0.6, tuft=22)
    return grow(at, normal, flow, length, groom, coat, rng, root_tone=0.5)


def _head_skin(detail: float, rng: np.random.Generator) -> Solid:
    area = 4 * math.pi * HEAD_RADII[0] ** 2
    skin = ellipsoid(points_for(area, detail, 0.12), HEAD_CENTRE, HEAD_CORE, rng)
    parts = [solid(*skin, SKIN, open_air=0.0)]
    for side in (-1.0, 1.0):
        parts.append(_eye(side, detail, rng))
    parts.append(_beak(detail, rng))
    return joined_solids(parts)


def _eye(side: float, detail: float, rng: np.random.Generator) -> Solid:
    radius = 0.032
    direction = normalised(np.array([0.43 * side, 0.10, 0.88]))
    centre = HEAD_CENTRE + direction * HEAD_RADII * 0.90
    count = points_for(4 * math.pi * radius**2, detail, 2.5)
    at, normal = ellipsoid(count, centre, np.full(3, radius), rng)
    gaze = normalised(direction + np.array([0.0, 0.0, 0.5]))
    away = np.arccos(np.clip(normal @ gaze, -1, 1))
    iris = np.exp(-(((away - 0.86) / 0.13) ** 2))[:, None]
    return solid(at, normal, np.array([0.008, 0.007, 0.008]) + iris * HORN * 0.45, gloss=1.0)


def _beak(detail: float, rng: np.random.Generator) -> Solid:
    """A cone with a hooked tip."""
    count = points_for(0.006, detail, 3.0)
    s = np.sqrt(rng.uniform(size=(count, 1)))  # 0 at the tip
    angle = rng.uniform(0, 2 * math.pi, (count, 1))
    ring = np.concatenate([np.cos(angle) * 0.024, np.sin(angle) * 0.027, 0 * angle], 1)
    zero = np.zeros_like(s)
    axis = np.concatenate([zero, -0.026 * (1 - s) ** 2 - 0.006 * (1 - s), 0.062 * (1 - s)], 1)
    at: Floats = HEAD_CENTRE + np.array([0.0, -0.030, 0.094]) + axis + ring * s**0.8
    normal = normalised(ring + np.array([0.0, 0.0, 0.012]))
    mouth = np.abs(np.sin(angle) + 0.25) < 0.12
    tone = HORN * (0.35 + 0.9 * s)
    return solid(at, normal, np.where(mouth, tone * 0.3, tone), gloss=0.35)
