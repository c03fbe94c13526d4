"""Hair: cubic curves that grow from surfaces, lie along a flow, clump and bend.

Space: x right, y up, z towards the camera, in units of the frame's height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float32]
Affine = tuple[Floats, Floats]


@dataclass(frozen=True)
class Places:
    """K points on N strands, strand by strand.

    Attributes:
        counts: (N,) points of each strand.
        t: (K,) where on its strand each point lies, 0 (root) to 1 (tip).
    """

    counts: npt.NDArray[np.intp]
    t: Floats

    def spread(self, values: Floats) -> Floats:
        """What belongs to strands, (N, C), for each point, (K, C)."""
        return np.asarray(np.repeat(values, self.counts, axis=0), np.float32)

    def breadth(self) -> Floats:
        """How thick hair is there, 0 to 1: thin towards the tip."""
        return np.asarray(np.clip(1.25 - self.t * self.t, 0.3, 1.0), np.float32)


@dataclass(frozen=True)
class Strands:
    """N cubic curves p(t) = c0 + c1 t + c2 t^2 + c3 t^3, t from 0 (root) to 1 (tip).

    Attributes:
        curve: (N, 4, 3) the coefficients.
        normal: (N, 3) the surface's normal at the root, unit length.
        root: (N, 3) albedo at the root, linear.
        tip: (N, 3) albedo at the tip, linear.
        length: (N,) about how long each is.
    """

    curve: Floats
    normal: Floats
    root: Floats
    tip: Floats
    length: Floats

    def moved(self, by: Affine) -> Strands:
        """Under the affine map `p -> matrix p + offset`."""
        matrix, offset = by
        curve = np.einsum("nki,ji->nkj", self.curve, matrix)
        curve[:, 0] += offset
        normal = normalised(np.einsum("ni,ij->nj", self.normal, np.linalg.inv(matrix)))
        return replace(self, curve=curve.astype(np.float32), normal=normal)

    def swayed(self, push: npt.NDArray[np.floating]) -> Strands:
        """Bent by `push` (3,): the displacement of a tip per unit of length."""
        curve = self.curve.copy()
        curve[:, 2] += push * self.length[:, None]
        return replace(self, curve=curve.astype(np.float32))

    def chosen(self, keep: npt.NDArray[np.bool_]) -> Strands:
        """The strands where `keep` (N,) holds."""
        return Strands(*(getattr(self, f.name)[keep] for f in fields(self)))

    def places(self, detail: float) -> Places:
        """Where to put points, `detail` of them to a unit of length."""
        counts = np.maximum(3, np.ceil(self.length * detail)).astype(np.intp)
        ends = np.cumsum(counts)
        index = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        return Places(counts, (index / np.repeat(counts - 1, counts)).astype(np.float32))

    def at(self, places: Places) -> Floats:
        """Positions, (K, 3)."""
        t = places.t[:, None]
        c0, c1, c2, c3 = (places.spread(self.curve[:, power]) for power in range(4))
        c3 *= t
        c3 += c2
        c3 *= t
        c3 += c1
        c3 *= t
        c3 += c0
        return np.asarray(c3, np.float32)

    def along(self, places: Places) -> Floats:
        """Unit tangents, (K, 3)."""
        t = places.t[:, None]
        c1, c2, c3 = (places.spread(self.curve[:, power]) for power in range(1, 4))
        c3 *= 3 * t
        c3 += 2 * c2
        c3 *= t
        c3 += c1
        return normalised(c3)

    def albedo(self, places: Places) -> Floats:
        """Colours, (K, 3) linear."""
        root, tip = places.spread(self.root), places.spread(self.tip)
        tip -= root
        tip *= places.t[:, None]
        tip += root
        return tip


@dataclass(frozen=True)
class Groom:
    """How fur lies.

    Attributes:
        lift: 0 lies flat along the flow, 1 stands up along the normal.
        droop: how far tips hang down, in lengths.
        frizz: random bend, in lengths.
        clump: 0 to 1, how far tips gather in tufts.
        tuft: strands to a tuft.
    """

    lift: float = 0.5
    droop: float = 0.15
    frizz: float = 0.15
    clump: float = 0.5
    tuft: int = 14


def normalised(vectors: npt.NDArray[np.floating]) -> Floats:
    """Unit vectors along the last axis."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-9)[..., None], np.float32)


def joined(strands: Sequence[Strands]) -> Strands:
    """All in one."""
    return Strands(
        *(np.concatenate([getattr(s, f.name) for s in strands]) for f in fields(Strands))
    )


def from_bezier(control: Floats, normal: Floats, root: Floats, tip: Floats) -> Strands:
    """From (N, 4, 3) Bezier control points."""
    p0, p1, p2, p3 = (control[:, i] for i in range(4))
    curve = np.stack([p0, 3 * (p1 - p0), 3 * (p0 - 2 * p1 + p2), p3 - 3 * p2 + 3 * p1 - p0], 1)
    length = np.linalg.norm(np.diff(control, axis=1), axis=2).sum(1)
    parts = (curve, normal, root, tip, length)
    return Strands(*(np.asarray(part, np.float32) for part in parts))


def grow(
    roots: Floats,
    normals: Floats,
    flow: npt.NDArray[np.floating],
    length: npt.NDArray[np.floating],
    groom: Groom,
    tip: npt.NDArray[np.floating],
    rng: np.random.Generator,
    root_tone: float = 0.38,
) -> Strands:
    """Strands on `roots` (N, 3), combed along `flow` (N, 3), of `length` (N,).

    Args:
        tip: (N, 3) albedo at the tip; `root_tone` times that at the root.
    """
    count = len(roots)
    along = normalised(flow - normals * np.sum(flow * normals, 1, keepdims=True))
    size = length[:, None]
    start = normals * groom.lift + along * (1.0 - groom.lift) * 0.7
    bend = along * (0.35 * (1.0 - groom.lift)) + np.array([0.0, -groom.droop, 0.0])
    bend = bend + rng.normal(0.0, groom.frizz, (count, 3))
    curl = rng.normal(0.0, groom.frizz * 0.6, (count, 3))
    curve = np.stack([roots, start * size, bend * size, curl * size], 1)
    if groom.clump > 0 and count > groom.tuft:
        leaders = rng.permutation(count)[: max(1, count // groom.tuft)]
        nearest = leaders[cKDTree(roots[leaders]).query(roots)[1]]
        tips = curve.sum(1)
        pull = (tips[nearest] - tips) * groom.clump * rng.uniform(0.3, 1.0, (count, 1))
        curve[:, 2] += 0.7 * pull
        curve[:, 3] += 0.3 * pull
    parts = (curve, normals, tip * root_tone, tip, length)
    return Strands(*(np.asarray(part, np.float32) for part in parts))


def mottle(count: int, spread: float, rng: np.random.Generator) -> Floats:
    """Factors (count, 1) by which brightness varies from strand to strand."""
    return np.exp(rng.normal(0.0, spread, (count, 1))).astype(np.float32)
