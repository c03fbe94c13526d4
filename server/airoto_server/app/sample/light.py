"""Light: a low warm sun behind, a soft sky in front, and fur that shadows itself.

Hair is lit in the manner of Kajiya and Kay (Rendering fur with three dimensional textures,
SIGGRAPH 1989); sunlight fades behind what lies nearer to the sun (a deep shadow map with one
exponential layer). Light and colour are linear ACEScg.
"""

from __future__ import annotations

import cv2
import numpy as np

from airoto_server.app.sample.solids import Solid
from airoto_server.app.sample.splat import DENSITY, Cloud, Core
from airoto_server.app.sample.strands import Floats, Places, Strands, normalised

SUN = normalised(np.array([0.58, 0.60, -0.55]))
SUN_COLOUR = np.array([7.4, 5.4, 3.0], np.float32)
SKY = normalised(np.array([-0.40, 0.55, 0.73]))
SKY_COLOUR = np.array([1.95, 1.80, 1.58], np.float32)
AMBIENT = np.array([0.30, 0.32, 0.33], np.float32)
BOUNCE = np.array([0.16, 0.155, 0.09], np.float32)
VIEW = np.array([0.0, 0.0, 1.0], np.float32)
# Half way between a light and the camera: where a glint is.
_HALF_SUN, _HALF_SKY = normalised(SUN + VIEW), normalised(SKY + VIEW)
_SUN_DIFFUSE = np.float32(0.42)
# Size of a cell of the shadow map.
_CELL = 0.006


def shaded(
    fur: tuple[Strands, Strands],
    skin: tuple[Solid, Solid] | None,
    cores: tuple[Core, ...],
    detail: float,
) -> Cloud:
    """Hair and solids, when the shutter opens and when it closes, as one cloud of points.

    Args:
        detail: samples to a unit of length.
    """
    places = fur[0].places(detail * DENSITY)
    opened, closed = fur[0].at(places), fur[1].at(places)
    hairs = len(places.t)
    breadth = places.breadth()
    if skin is not None:
        opened = np.concatenate([opened, skin[0].position])
        closed = np.concatenate([closed, skin[1].position])
        breadth = np.concatenate([breadth, np.ones(len(opened) - hairs, np.float32)])
    sun = sunlight(opened)
    colour = hair_colour(fur[0], places, sun[:hairs])
    if skin is not None:
        colour = np.concatenate([colour, solid_colour(skin[0], sun[hairs:])])
    return Cloud(opened, closed, colour, breadth, cores)


def _fill(normal: Floats) -> Floats:
    """Light from sky and surroundings on surfaces in the open, (K, 3)."""
    sky = np.clip((normal @ SKY + 0.45) / 1.45, 0, 1) ** 1.4
    up = 0.5 + 0.5 * normal[:, 1]
    return np.asarray(
        sky[:, None] * SKY_COLOUR + up[:, None] * AMBIENT + (1 - up)[:, None] * BOUNCE, np.float32
    )


def hair_colour(fur: Strands, places: Places, sun: Floats) -> Floats:
    """Radiance of hair towards the camera, (K, 3), where `sun` (K,) of the sunlight arrives."""
    t = places.t
    # The coat as a whole shades like a surface, softly.
    wrap = np.clip((fur.normal @ SUN + 0.35) / 1.35, 0, 1) * _SUN_DIFFUSE
    edge = (1 - np.clip(fur.normal[:, 2], 0, 1)) ** 1.5 * np.float32(0.6)
    tangent = fur.along(places)
    across = np.sqrt(np.clip(1 - (tangent @ SUN) ** 2, 0, 1))
    direct = places.spread(wrap) * (0.35 + 0.65 * across)
    direct += places.spread(edge) * (t * np.sqrt(t))  # shines through tips at the outline
    direct *= sun
    light = places.spread(_fill(fur.normal))
    light *= (0.30 + 0.70 * t)[:, None]
    light += direct[:, None] * SUN_COLOUR
    light *= fur.albedo(places)
    sheen = np.clip(1 - (tangent @ _HALF_SUN) ** 2, 0, 1)
    sheen = sheen**24 * t * sun * np.float32(0.035)
    light += sheen[:, None] * SUN_COLOUR
    return light


def solid_colour(skin: Solid, sun: Floats) -> Floats:
    """Radiance of solids towards the camera, (K, 3), where `sun` (K,) of the sunlight arrives."""
    direct = np.clip(skin.normal @ SUN, 0, 1) * sun * _SUN_DIFFUSE
    light = _fill(skin.normal) * (0.30 + 0.70 * skin.open_air)[:, None]
    light += direct[:, None] * SUN_COLOUR
    light *= skin.albedo
    shiny = np.flatnonzero(skin.gloss)
    gloss, normal = skin.gloss[shiny], skin.normal[shiny]
    sky_glint = gloss * np.clip(normal @ _HALF_SKY, 0, 1) ** (30 + 420 * gloss) * 3.5
    sun_glint = gloss * np.clip(normal @ _HALF_SUN, 0, 1) ** (20 + 80 * gloss) * 0.10
    light[shiny] += sky_glint[:, None] * SKY_COLOUR + sun_glint[:, None] * SUN_COLOUR
    return light


def sunlight(position: Floats) -> Floats:
    """How much sun reaches each of K points through the others, 0 to 1."""
    side = normalised(np.cross(SUN, np.array([0.0, 1.0, 0.0])))
    over = np.cross(side, SUN)
    depth = position @ SUN
    u, v = position @ side / _CELL, position @ over / _CELL
    column = (u - (u.min() - 2)).astype(np.intp)
    row = (v - (v.min() - 2)).astype(np.intp)
    wide, tall = int(column.max()) + 3, int(row.max()) + 3
    cell = row * wide + column
    nearest = np.full(tall * wide, depth.min(), np.float32)
    np.maximum.at(nearest, cell, depth)
    soft = cv2.GaussianBlur(nearest.reshape(tall, wide), (0, 0), 1.0).reshape(-1)
    behind = np.clip(soft[cell] - depth - np.float32(0.012), 0, None)
    return np.asarray(np.exp(-behind * np.float32(28.0)), np.float32)
