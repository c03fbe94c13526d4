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
    gradient = np.zeros(count, np.float32)
    curvature = np.zeros(count, np.float32)
    leaf_of = np.zeros(count, np.int64)
    sums = np.zeros((asked, 1 << depth, LEVELS, 2), np.float64)
    for t in range(trees):
        for i in range(count):
            likely = np.float32(1) / (np.float32(1) + np.exp(-odds[i]))
            gradient[i] = weights[i] * (truth[i] - likely)
            curvature[i] = weights[i] * likely * (np.float32(1) - likely)
            leaf_of[i] = 0
        for d in range(depth):
            parts = 1 << d
            sums[:, :parts] = 0.0
            for k in range(asked):
                levels, table = planes[subsets[t, k]], sums[k]
                for i in range(count):
                    table[leaf_of[i], levels[i], 0] += gradient[i]
                    table[leaf_of[i], levels[i], 1] += curvature[i]
            best, best_k, best_level = -1.0, 0, 0
            gains = np.zeros(LEVELS, np.float64)
            for k in range(asked):
                gains[:] = 0.0
                for leaf in range(parts):
                    all_g = sums[k, leaf, :, 0].sum()
                    all_h = sums[k, leaf, :, 1].sum()
                    g, h = 0.0, 0.0
                    for level in range(LEVELS - 1):
                        g += sums[k, leaf, level, 0]
                        h += sums[k, leaf, level, 1]
                        rest_g, rest_h = all_g - g, all_h - h
                        gains[level] += g * g / (h + shrinkage)
                        gains[level] += rest_g * rest_g / (rest_h + shrinkage)
                for level in range(LEVELS - 1):
                    if gains[level] > best:
                        best, best_k, best_level = gains[level], k, level
            chosen[t, d] = subsets[t, best_k]
            thresholds[t, d] = best_level
            for i in range(count):
                answer = planes[chosen[t, d], i] > best_level
                leaf_of[i] = 2 * leaf_of[i] + answer
        total_g = np.zeros(1 << depth)
        total_h = np.zeros(1 << depth)
        for i in range(count):
            total_g[leaf_of[i]] += gradient[i]
            total_h[leaf_of[i]] += curvature[i]
        for leaf in range(1 << depth):
            leaves[t, leaf] = rate * total_g[leaf] / (total_h[leaf] + shrinkage)
        for i in range(count):
            odds[i] += leaves[t, leaf_of[i]]
    return chosen, thresholds, leaves
