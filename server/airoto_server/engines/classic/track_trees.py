"""A small boosted classifier of pixels, fitted on the fly.

Gradient boosting with the logistic loss (Friedman, 2001) and second-order leaves (Chen and
Guestrin, 2016), of symmetric trees, which ask one question per level (Prokhorenkova et al.,
2018): quick to fit on counts, quick to ask, and hard to over-fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.track_frame import LEVELS

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

TREES, _DEPTH, _RATE = 80, 4, 0.15
_BLOCK = 1024
# Share of the features that each tree may ask about.
_FEATURE_SHARE = 0.6
# Added to the curvature of each leaf.
_SHRINKAGE = 5.0
LIMIT = 3.0


@dataclass(frozen=True)
class Trees:
    """A fitted classifier.

    Attributes:
        features: (T, D) int64, feature asked at each level.
        thresholds: (T, D) uint8; the answer is whether the feature is above.
        leaves: (T, 2**D) float32, log-odds to add.
    """

    features: npt.NDArray[np.int64]
    thresholds: Bytes
    leaves: Floats

    def log_odds(self, planes: Bytes) -> Floats:
        """Log-odds (h, w) float32 within +-3 that pixels (F, h, w) uint8 are of the object."""
        flat = np.ascontiguousarray(planes.reshape(len(planes), -1))
        odds: Floats = _ask(flat, self.features, self.thresholds, self.leaves)
        np.clip(odds, -LIMIT, LIMIT, out=odds)
        return odds.reshape(planes.shape[1:])

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        return self.features.nbytes + self.thresholds.nbytes + self.leaves.nbytes


def fit(
    samples: Bytes,
    truth: npt.NDArray[np.bool_],
    weights: Floats,
    *,
    seed: int,
    trees: int = TREES,
) -> Trees:
    """Learn from samples (N, F) uint8 below `LEVELS`, truth (N,) bool, weights (N,) float32."""
    random = np.random.default_rng(seed)
    count = samples.shape[1]
    asked = max(1, round(_FEATURE_SHARE * count))
    subsets = np.stack([np.sort(random.permutation(count)[:asked]) for _ in range(trees)])
    features, thresholds, leaves = _boost(
        np.ascontiguousarray(samples.T),
        truth.astype(np.float32),
        weights.astype(np.float32),
        subsets,
        _DEPTH,
        _RATE,
        _SHRINKAGE,
    )
    return Trees(features, thresholds, leaves)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # no type information
def _ask(
    planes: Bytes, features: npt.NDArray[np.int64], thresholds: Bytes, leaves: Floats
) -> Floats:
    """Odds of samples (F, N), in blocks that stay in the cache, a level at a time."""
    trees, depth = features.shape
    count = planes.shape[1]
    odds = np.zeros(count, np.float32)
    leaf = np.zeros(_BLOCK, np.uint8)
    for first in range(0, count, _BLOCK):
        size = min(_BLOCK, count - first)
        part = odds[first : first + size]
        for t in range(trees):
            leaf[:] = 0
            for d in range(depth):
                plane = planes[features[t, d], first : first + size]
                threshold = thresholds[t, d]
                bit = np.uint8(1 << (depth - 1 - d))
                for i in range(size):
                    leaf[i] |= bit * np.uint8(plane[i] > threshold)
            values = leaves[t]
            for i in range(size):
                part[i] += values[leaf[i]]
    return odds


@numba.njit(cache=True, nogil=True)
def _boost(planes, truth, weights, subsets, depth, rate, shrinkage):  # type: ignore[no-untyped-def]
    count = planes.shape[1]
    trees, asked = subsets.shape
    chosen = np.zeros((trees, depth), np.int64)
    thresholds = np.zeros((trees, depth), np.uint8)
    leaves = np.zeros((trees, 1 << depth), np.float32)
    odds = np.zeros(count, np.float32)
    slopes = np.zeros((count, 2), np.float64)
    leaf_of = np.zeros(count, np.int64)
    answered = np.zeros(count, np.int64)
    sums = np.zeros((asked, 1 << depth, LEVELS, 2), np.float64)
    below, gains = np.zeros((2, LEVELS), np.float64), np.zeros(LEVELS, np.float64)
    for t in range(trees):
        for i in range(count):
            likely = np.float32(1) / (np.float32(1) + np.exp(-odds[i]))
            slopes[i, 0] = weights[i] * (truth[i] - likely)
            slopes[i, 1] = weights[i] * likely * (np.float32(1) - likely)
            leaf_of[i] = 0
            answered[i] = i
        yes = count
        for d in range(depth):
            parts = 1 << d
            best, best_k, best_level = -1.0, 0, 0
            for k in range(asked):
                _gather(planes[subsets[t, k]], leaf_of, slopes, answered[:yes], sums[k], parts)
                _gain(sums[k], parts, shrinkage, below, gains)
                for level in range(LEVELS - 1):
                    if gains[level] > best:
                        best, best_k, best_level = gains[level], k, level
            chosen[t, d] = subsets[t, best_k]
            thresholds[t, d] = best_level
            yes = 0
            for i in range(count):
                above = planes[chosen[t, d], i] > best_level
                leaf_of[i] = 2 * leaf_of[i] + above
                answered[yes] = i
                yes += above
        total = np.zeros((1 << depth, 2))
        for i in range(count):
            total[leaf_of[i], 0] += slopes[i, 0]
            total[leaf_of[i], 1] += slopes[i, 1]
        for leaf in range(1 << depth):
            leaves[t, leaf] = rate * total[leaf, 0] / (total[leaf, 1] + shrinkage)
        for i in range(count):
            odds[i] += leaves[t, leaf_of[i]]
    return chosen, thresholds, leaves


@numba.njit(cache=True, nogil=True)
def _gather(levels, leaf_of, slopes, answered, table, parts):  # type: ignore[no-untyped-def]
    """Gradient and curvature by leaf and level, from those of the leaves' parents.

    Only samples that answered yes to the last question (`answered`) are counted; their
    siblings are what is left of the parent.
    """
    for parent in range(parts // 2 - 1, -1, -1):
        table[2 * parent] = table[parent]
        table[2 * parent + 1] = 0.0
    if parts == 1:
        table[0] = 0.0
    for i in answered:
        cell = table[leaf_of[i], levels[i]]
        cell[0] += slopes[i, 0]
        cell[1] += slopes[i, 1]
    for parent in range(parts // 2):
        for level in range(LEVELS):
            table[2 * parent, level, 0] -= table[2 * parent + 1, level, 0]
            table[2 * parent, level, 1] -= table[2 * parent + 1, level, 1]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _gain(table, parts, shrinkage, below, gains):  # type: ignore[no-untyped-def]
    """What asking whether a feature is above each level is worth, over all leaves."""
    gains[:] = 0.0
    for leaf in range(parts):
        g, h = 0.0, shrinkage
        for level in range(LEVELS):
            g += table[leaf, level, 0]
            h += table[leaf, level, 1]
            below[0, level], below[1, level] = g, h
        # On its own, and with one division, this loop compiles to vector instructions.
        for level in range(LEVELS - 1):
            less_g, less_h = below[0, level], below[1, level]
            more_g, more_h = g - less_g, h - less_h + shrinkage
            worth = less_g * less_g * more_h + more_g * more_g * less_h
            gains[level] += worth / (less_h * more_h)
