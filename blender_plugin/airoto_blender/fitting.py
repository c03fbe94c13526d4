"""Closed Bezier splines through contours that change over time, with the same points on every key.

numpy, no `bpy`. Knots lie at the same shares of the contour's length on every key, so a spline can
be animated. Between knots handles are fitted by least squares with chord-length parameters that
are improved by Newton's method (Schneider, "An algorithm for automatically fitting digitized
curves", Graphics Gems, 1990); where the worst key is off by more than the tolerance, a knot is put.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Places at which two contours are compared to find where they begin.
_COMPARED = 256
_FIRST_KNOTS = 4
# Pixels between the samples that a curve is held to.
_SAMPLED = 0.5
_MOST_SAMPLES = 400
_IMPROVED = 3


@dataclass(frozen=True)
class Spline:
    """One closed spline on every key.

    Attributes:
        points: (K, N, 3, 2): left handle, point, right handle, in pixels; where the piece is not
            there, all in one place.
        error: pixels by which a sample of a contour is off its curve at most.
    """

    points: Floats
    error: float


@dataclass(frozen=True)
class _Part:
    """A piece of the curve between two knots, on every key."""

    start: float
    end: float
    handles: Floats  # (K, 2, 2)
    error: float
    worst: float  # share of the length at which it is off most


def fitted(contours: Sequence[Floats | None], tolerance: float, most_points: int) -> Spline:
    """A spline for one piece.

    Args:
        contours: of each key, (M, 2); None where the piece is not there; one at least is there.
        tolerance: pixels.
        most_points: knots at most; where they do not do, `Spline.error` says what was reached.
    """
    there = [one for one in contours if one is not None]
    lines = _aligned(there)
    knots = [step / _FIRST_KNOTS for step in range(_FIRST_KNOTS + 1)]
    parts = [_fit(lines, start, end) for start, end in zip(knots, knots[1:])]
    while len(parts) < most_points:
        index = max(range(len(parts)), key=lambda one: parts[one].error)
        worst = parts[index]
        if worst.error <= tolerance:
            break
        parts[index : index + 1] = [
            _fit(lines, worst.start, worst.worst),
            _fit(lines, worst.worst, worst.end),
        ]
    shown = _points(lines, parts)
    middle = iter(shown)
    points, last = [], np.broadcast_to(shown[0].mean(axis=(0, 1)), shown[0].shape)
    for one in contours:
        if one is None:  # shrunk to where it was
            points.append(np.broadcast_to(last.mean(axis=(0, 1)), last.shape))
        else:
            last = next(middle)
            points.append(last)
    return Spline(np.array(points), max(one.error for one in parts))


class _Line:
    """A closed contour by shares of its length, 0 to 1."""

    def __init__(self, polygon: Floats, begin: float = 0.0) -> None:
        self.polygon, self.begin = polygon, begin
        closed = np.concatenate([polygon, polygon[:1]])
        steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
        self._along = np.concatenate([[0.0], np.cumsum(steps)])
        self._closed = closed
        self.length = float(self._along[-1])

    def at(self, shares: Floats) -> Floats:
        """Places (S, 2)."""
        along = np.mod(shares + self.begin, 1.0) * self.length
        return np.stack(
            [np.interp(along, self._along, self._closed[:, axis]) for axis in (0, 1)], axis=1
        )


def _aligned(polygons: list[Floats]) -> list[_Line]:
    """Contours that begin at the same place of the shape, each as the one before it does."""
    shares = np.arange(_COMPARED) / _COMPARED
    first = _Line(polygons[0])
    away = np.linalg.norm(first.at(shares) - polygons[0].mean(axis=0), axis=1)
    lines = [_Line(polygons[0], float(shares[away.argmax()]))]
    for polygon in polygons[1:]:
        line = _Line(polygon)
        one, two = (found.at(shares) @ (1, 1j) for found in (lines[-1], line))
        fits = np.fft.ifft(np.fft.fft(two - two.mean()) * np.conj(np.fft.fft(one - one.mean())))
        lines.append(_Line(polygon, float(shares[fits.real.argmax()])))
    return lines


def _fit(lines: list[_Line], start: float, end: float) -> _Part:
    longest = max(line.length for line in lines) * (end - start)
    count = int(np.clip(np.ceil(longest / _SAMPLED), 8, _MOST_SAMPLES))
    shares = np.linspace(start, end, count)
    samples = np.array([line.at(shares) for line in lines])
    steps = np.linalg.norm(np.diff(samples, axis=1), axis=2)
    along = np.concatenate([np.zeros((len(lines), 1)), np.cumsum(steps, axis=1)], axis=1)
    t = along / np.maximum(along[:, -1:], 1e-12)
    handles = _handles(samples, t)
    for _ in range(_IMPROVED):
        t = _nearer(samples, t, handles)
        handles = _handles(samples, t)
    off = np.linalg.norm(_curve(samples, handles, t) - samples, axis=2)
    # A corner between two keys' worst samples is somebody's corner: the worst of all is taken.
    worst = int(np.clip(off.max(axis=0).argmax(), 1, count - 2))
    return _Part(start, end, handles, float(off.max()), float(shares[worst]))


def _handles(samples: Floats, t: Floats) -> Floats:
    """Both inner control points of each key's curve, (K, 2, 2)."""
    first, last = samples[:, :1], samples[:, -1:]
    s = 1 - t
    one, two = 3 * s**2 * t, 3 * s * t**2
    rest = samples - (s**3)[..., None] * first - (t**3)[..., None] * last
    a, b, c = (one * one).sum(1), (one * two).sum(1), (two * two).sum(1)
    x, y = (one[..., None] * rest).sum(1), (two[..., None] * rest).sum(1)
    scale = a * c - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (
            np.stack([c[:, None] * x - b[:, None] * y, a[:, None] * y - b[:, None] * x], axis=1)
            / scale[:, None, None]
        )
    thirds = np.concatenate([first * 2 / 3 + last / 3, first / 3 + last * 2 / 3], axis=1)
    # Wild handles, of nearly no data, would make loops that no sample sees.
    reach = 3 * np.linalg.norm(np.diff(samples, axis=1), axis=2).sum(1) + 1e-9
    near = np.abs(found - thirds).max(axis=(1, 2)) <= reach
    usable = np.isfinite(found).all(axis=(1, 2)) & near
    chosen: Floats = np.where(usable[:, None, None], found, thirds)
    return chosen


def _control(samples: Floats, handles: Floats) -> Floats:
    return np.concatenate([samples[:, :1], handles, samples[:, -1:]], axis=1)


def _curve(samples: Floats, handles: Floats, t: Floats) -> Floats:
    p, s, u = _control(samples, handles)[:, :, None], (1 - t)[..., None], t[..., None]
    found: Floats = s**3 * p[:, 0] + 3 * s**2 * u * p[:, 1]
    found += 3 * s * u**2 * p[:, 2] + u**3 * p[:, 3]
    return found


def _nearer(samples: Floats, t: Floats, handles: Floats) -> Floats:
    """Newton's step of every parameter towards the nearest place of its curve."""
    p = _control(samples, handles)[:, :, None]
    s, u = (1 - t)[..., None], t[..., None]
    off = _curve(samples, handles, t) - samples
    way = 3 * (
        s**2 * (p[:, 1] - p[:, 0]) + 2 * s * u * (p[:, 2] - p[:, 1]) + u**2 * (p[:, 3] - p[:, 2])
    )
    bend = 6 * (s * (p[:, 2] - 2 * p[:, 1] + p[:, 0]) + u * (p[:, 3] - 2 * p[:, 2] + p[:, 1]))
    slope = (way * way).sum(-1) + (off * bend).sum(-1)
    step = (off * way).sum(-1) / np.where(np.abs(slope) < 1e-12, np.inf, slope)
    moved: Floats = np.clip(t - step, 0, 1)
    return moved


def _points(lines: list[_Line], parts: list[_Part]) -> list[Floats]:
    knots = np.array([one.start for one in parts])
    found = []
    for number, line in enumerate(lines):
        right = np.array([one.handles[number, 0] for one in parts])
        left = np.array([parts[index - 1].handles[number, 1] for index in range(len(parts))])
        found.append(np.stack([left, line.at(knots), right], axis=1))
    return found
