"""The rig: moves the hero's parts to an instant and makes shaded points of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airoto_server.app.sample.creature import (
    BODY_CORE,
    HEAD_CENTRE,
    HEAD_CORE,
    HORN,
    SKIN,
    WING_CENTRE,
    WING_CORE,
    Creature,
)
from airoto_server.app.sample.light import shaded
from airoto_server.app.sample.motion import Pose, camera, drag, pose
from airoto_server.app.sample.solids import Solid, outline, solid, tube
from airoto_server.app.sample.solids import joined as joined_solids
from airoto_server.app.sample.splat import Cloud, Core
from airoto_server.app.sample.strands import Affine, Floats, Strands, joined

# Height of the ground under the creature, from the picture's centre.
GROUND = -0.285
# Of the body's centre above the ground.
STANCE = 0.232
NECK = np.array([0.0, 0.09, 0.02])
SHOULDER = np.array([0.135, 0.035, -0.005])
HIP = 0.058
# Skin as it looks in the shade of the fur.
SKIN_SEEN = np.asarray(SKIN * 0.5, np.float32)


@dataclass(frozen=True)
class Joints:
    """The affine maps of the parts at one instant."""

    body: Affine
    head: Affine
    wings: tuple[Affine, Affine]


def about_x(angle: float) -> Floats:
    """Rotation about the x axis; radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)


def about_y(angle: float) -> Floats:
    """Rotation about the y axis; radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def about_z(angle: float) -> Floats:
    """Rotation about the z axis; radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


def _affine(matrix: npt.NDArray[np.floating], offset: npt.NDArray[np.floating]) -> Affine:
    return matrix.astype(np.float32), offset.astype(np.float32)


def joints(at: Pose, eye: tuple[float, float]) -> Joints:
    """For a pose, seen by a camera at `eye`."""
    wide = 1.0 / math.sqrt(at.stretch)
    stand = about_z(-at.roll) @ about_y(at.yaw)
    matrix = stand @ np.diag([wide, at.stretch, wide])
    centre = np.array([at.x - eye[0], GROUND + at.lift + STANCE * at.stretch - eye[1], 0.0])
    turn = stand @ about_y(at.head_yaw) @ about_x(at.head_nod) @ about_z(at.head_roll)
    neck = matrix @ NECK + centre
    wings = []
    for side in (1.0, -1.0):
        mirror = np.diag([side, 1.0, 1.0])
        beat = about_z(0.06 + at.flap * 1.9) @ about_x(-0.25 * at.flap)
        wings.append(_affine(matrix @ mirror @ beat, matrix @ (mirror @ SHOULDER) + centre))
    return Joints(_affine(matrix, centre), _affine(turn, neck - turn @ NECK), (wings[0], wings[1]))


def _fur(creature: Creature, seconds: float, at: Joints) -> Strands:
    x, y = drag(seconds)
    breeze = np.array([0.05 * math.sin(5.0 * seconds) + 0.03, 0.0, 0.0])
    push = np.array([x * 0.22, y * 0.22, 0.0]) + breeze
    flutter = np.array([0.08 * math.sin(9 * seconds), 0.0, 0.05 * math.cos(7 * seconds)])
    parts = [
        creature.body.moved(at.body).swayed(push * 0.6),
        creature.head.moved(at.head).swayed(push * 0.5),
        creature.crest.moved(at.head).swayed(push * 1.5 + flutter),
    ]
    parts += [creature.wing.moved(wing).swayed(push * 0.2) for wing in at.wings]
    return joined(parts)


def _skin(creature: Creature, at: Joints, legs: Solid) -> Solid:
    return joined_solids(
        [creature.body_skin.moved(at.body), creature.head_skin.moved(at.head), legs]
    )


def _legs(at: Pose, eye: tuple[float, float], detail: float) -> Solid:
    """Two legs with four toes each, that fold in flight."""
    tuck = min(at.lift / 0.07, 1.0)
    away = np.array([eye[0], eye[1], 0.0])
    parts = []
    for side in (-1.0, 1.0):
        across, deep = side * math.cos(at.yaw), -side * math.sin(at.yaw)
        base = GROUND + at.lift
        hip = np.array([at.x + across * HIP, base + 0.10 * at.stretch, 0.02 + HIP * deep])
        foot = np.array(
            [at.x + across * (HIP + 0.006), base + 0.004 + 0.018 * tuck, 0.04 + HIP * deep]
        )
        knee = 0.5 * (hip + foot) + np.array([-0.012 * math.sin(at.yaw), 0.0, -0.02])
        bones = [(np.stack([hip, knee, foot]), 0.0088)]
        for toe, reach in ((-0.75, 0.042), (-0.05, 0.046), (0.65, 0.042), (3.1, 0.022)):
            angle = toe + at.yaw
            tip = foot + np.array(
                [math.sin(angle) * reach, -0.003 - 0.018 * tuck, math.cos(angle) * reach]
            )
            middle = 0.5 * (foot + tip) + np.array([0.0, 0.006, 0.0])
            bones.append((np.stack([foot, middle, tip]), 0.0062))
        for line, radius in bones:
            position, normal, t = tube(line - away, radius, 0.3, detail)
            scales = (0.8 + 0.2 * np.sin(t * 40))[:, None]
            parts.append(solid(position, normal, HORN * 0.8 * scales, gloss=0.15))
    return joined_solids(parts)


def cloud(creature: Creature, opened: float, closed: float) -> Cloud:
    """All of it as shaded points, from when the shutter opens to when it closes (seconds)."""
    poses, eyes = (pose(opened), pose(closed)), (camera(opened), camera(closed))
    first, last = joints(poses[0], eyes[0]), joints(poses[1], eyes[1])
    fur, fur_later = _fur(creature, opened, first), _fur(creature, closed, last)
    skin = _skin(creature, first, _legs(poses[0], eyes[0], creature.detail))
    skin_later = _skin(creature, last, _legs(poses[1], eyes[1], creature.detail))
    # What grows on the far side is hidden.
    near = fur.normal[:, 2] > -0.35
    fur, fur_later = fur.chosen(near), fur_later.chosen(near)
    near = (skin.normal[:, 2] > -0.1) | (skin_later.normal[:, 2] > -0.1)
    skin, skin_later = skin.chosen(near), skin_later.chosen(near)

    shapes = [
        (np.zeros(3), BODY_CORE, first.body, last.body),
        (HEAD_CENTRE, HEAD_CORE, first.head, last.head),
    ]
    for wing, wing_later in zip(first.wings, last.wings, strict=True):
        shapes.append((WING_CENTRE, WING_CORE, wing, wing_later))
    cores = tuple(
        Core(outline(centre, radii, before), outline(centre, radii, after), SKIN_SEEN)
        for centre, radii, before, after in shapes
    )
    return shaded((fur, fur_later), (skin, skin_later), cores, creature.detail)


def clicks(seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Points on the hero's breast and crest, which differ so much in colour that one click
    cannot mean both. In units of the frame's height from the picture's centre.
    """
    joined = joints(pose(seconds), camera(seconds))
    parts = ((joined.body, (0.0, -0.01, 0.14)), (joined.head, (0.05, 0.331, -0.03)))
    points = [matrix @ np.array(place, np.float32) + offset for (matrix, offset), place in parts]
    (x, y, _), (crest_x, crest_y, _) = points
    return (float(x), float(y)), (float(crest_x), float(crest_y))
