"""Examples that the trees learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_trees
from airoto_server.engines.classic.track_trees import Trees

Bytes = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Examples of each side from a keyframe, and from a frame that was answered.
_KEYFRAME, _ANSWERED = 1500, 600
# How many keyframes and answered frames are remembered; the first keyframe always is.
_KEYFRAMES_KEPT, _ANSWERED_KEPT = 8, 4
# Share of the surroundings' examples that are taken from near the object.
_NEAR = 0.7


class Examples:
    """Samples of keyframes and of the last answered frames; bounded."""

    def __init__(self) -> None:
        self._keyframes: list[tuple[Bytes, Bytes]] = []
        self._answered: list[tuple[Bytes, Bytes]] = []

    def learn(
        self, features: Bytes, inside: Bool, near: Bool, far: Bool, *, keyframe: bool, seed: int
    ) -> None:
        """Draw examples from a frame.

        Args:
            features: (F, h, w) uint8.
            inside: (h, w) bool, surely the object.
            near: surely not the object, and close by; `far`: further away.
            keyframe: whether a person drew the mask.
        """
        random = np.random.default_rng(seed)
        flat = features.reshape(len(features), -1)
        count = _KEYFRAME if keyframe else _ANSWERED

        def draw(where: Bool, most: int) -> Bytes:
            pixels = np.flatnonzero(where)
            if pixels.size > most:
                pixels = random.choice(pixels, most, replace=False)
            return flat[:, pixels].T

        beside = draw(near, round(_NEAR * count))
        drawn = (
            draw(inside, count),
            np.concatenate([beside, draw(far, count - len(beside))]),
        )
        kept, most = (
            (self._keyframes, _KEYFRAMES_KEPT) if keyframe else (self._answered, _ANSWERED_KEPT)
        )
        kept.append(drawn)
        if len(kept) > most:
            kept.pop(1 if keyframe else 0)

    def fit(self, *, seed: int) -> Trees | None:
        """Trees that tell both sides apart; None while either has no examples."""
        frames: list[tuple[Bytes, Bytes]] = []
        says: list[float] = []
        for kind in (self._keyframes, self._answered):
            most = max((len(inside) for inside, _ in kind), default=0)
            for inside, beside in kind:
                if len(inside) and len(beside):
                    frames.append((inside, beside))
                    says.append(len(inside) / most)
        if not frames:
            return None
        samples = np.concatenate([side for frame in frames for side in frame])
        # Both sides of a frame weigh the same, and a frame that shows little of the object,
        # because something covers it, weighs little against others of its kind.
        counts = [len(side) for frame in frames for side in frame]
        truth = np.resize([True, False], len(counts)).repeat(counts)
        weights = np.concatenate(
            [
                np.repeat([say, say * len(inside) / len(beside)], [len(inside), len(beside)])
                for say, (inside, beside) in zip(says, frames, strict=True)
            ]
        )
        weights *= len(samples) / weights.sum()
        return track_trees.fit(samples, truth, weights.astype(np.float32), seed=seed)

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        return sum(side.nbytes for frame in self._keyframes + self._answered for side in frame)
