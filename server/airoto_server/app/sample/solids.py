"""Solid things as dense points: skin, eyes, beak, legs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from airoto_server.app.sample.strands import Affine, Floats, normalised

_GOLDEN_ANGLE = 2.399963229728653


@dataclass(frozen=True)
class Solid:
    """K points of a surface.

    Attributes:
        position, normal: (K, 3).
        albedo: (K, 3) linear.
        gloss: (K,) 0 dull, 1 like a wet eye.
        open_air: (K,) 0 under fur, 1 in the open: how much light reaches it.
    """

    position: Floats
    normal: Floats
    albedo: Floats
    gloss: Floats
    open_air: Floats

    def moved(self, by: Affine) -> Solid:
        """Under the affine map `p -> matrix p + offset`."""
        matrix, offset = by
        position = np.einsum("ki,ji->kj", self.position, matrix) + offset
        normal = normalised(np.einsum("ki,ij->kj", self.normal, np.linalg.inv(matrix)))
        return replace(self, position=position.astype(np.float32), normal=normal)

    def chosen(self, keep: npt.NDArray[np.bool_]) -> Solid:
        """The points where `keep` (K,) holds."""
        return Solid(*(getattr(self, f.name)[keep] for f in fields(self)))


def joined(solids: Sequence[Solid]) -> Solid:
    """All in one."""
    return Solid(*(np.concatenate([getattr(s, f.name) for s in solids]) for f in fields(Solid)))


def solid(
    position: npt.NDArray[np.floating],
    normal: npt.NDArray[np.floating],
    albedo: npt.NDArray[np.floating],
    gloss: float = 0.0,
    open_air: float = 1.0,
) -> Solid:
    """One of uniform gloss; `albedo` is (3,) or (K, 3)."""
    count = len(position)
    return Solid(
        position.astype(np.float32),
        normal.astype(np.float32),
        np.broadcast_to(albedo, (count, 3)).astype(np.float32),
        np.full(count, gloss, np.float32),
        np.full(count, open_air, np.float32),
    )


def sphere_points(count: int, rng: np.random.Generator) -> Floats:
    """`count` directions spread evenly (a Fibonacci lattice), slightly jittered: (count, 3)."""
    index = np.arange(count)
    height = np.clip(1.0 - 2.0 * (index + 0.5 + rng.uniform(-0.45, 0.45, count)) / count, -1, 1)
    angle = index * _GOLDEN_ANGLE + rng.normal(0.0, 0.25, count) / math.sqrt(count)
    ring = np.sqrt(1.0 - height**2)
    return np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], 1).astype(np.float32)


def ellipsoid(
    count: int,
    centre: npt.NDArray[np.floating],
    radii: npt.NDArray[np.floating],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Points and outward normals, (count, 3) each."""
    sphere = sphere_points(count, rng)
    return (centre + sphere * radii).astype(np.float32), normalised(sphere / radii)


def outline(
    centre: npt.NDArray[np.floating], radii: npt.NDArray[np.floating], by: Affine
) -> Floats:
    """The outline of an ellipsoid under an affine map, seen along z: (64, 2) points."""
    matrix, offset = by
    axes = (matrix * radii)[:2]
    angle = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    out = np.stack([np.cos(angle), np.sin(angle)], 1)
    # The farthest point of the ellipsoid in each direction.
    reach = normalised(out @ axes) @ axes.T
    return np.asarray((matrix @ centre + offset)[:2] + reach, np.float32)


def points_for(area: float, detail: float, per_sample: float) -> int:
    """How many points cover `area` (units squared) at `detail` samples to a unit."""
    return max(60, math.ceil(area * detail * detail * per_sample))


def tube(
    line: npt.NDArray[np.floating], radius: float, taper: float, detail: float
) -> tuple[Floats, Floats, Floats]:
    """Points and normals (K, 3), and t (K,), of a tube along a quadratic Bezier (3, 3).

    The same arguments but for `line` give the same number of points in the same order.
    """
    rows = max(8, math.ceil(0.06 * detail / 0.7))
    around = max(6, math.ceil(2 * math.pi * radius * detail / 0.7))
    s = np.linspace(0, 1, rows)[:, None, None]
    angle = np.linspace(0, 2 * math.pi, around, endpoint=False)[None, :, None]
    middle = (1 - s) ** 2 * line[0] + 2 * s * (1 - s) * line[1] + s**2 * line[2]
    axis = normalised(line[2] - line[0])
    side = normalised(np.cross(axis, np.array([0.013, 0.029, 1.0])))
    normal = side * np.cos(angle) + np.cross(side, axis) * np.sin(angle)
    normal = np.broadcast_to(normal, (rows, around, 3))
    position = middle + normal * (radius * (1 - taper * s))
    t = np.broadcast_to(s[..., 0], (rows, around))
    parts = (position.reshape(-1, 3), normal.reshape(-1, 3), t.reshape(-1))
    return (
        parts[0].astype(np.float32),
        parts[1].astype(np.float32),
        parts[2].astype(np.float32),
    )
