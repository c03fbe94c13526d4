"""Which frames a matte that is held steady over time depends on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from airoto_server.engines.registry import Role
from airoto_server.ops.steady_alpha import ALPHA_RADIUS
from airoto_server.ops.steady_trimap import TRIMAP_RADIUS
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.subject import subject_of


class Surroundings:
    """Which frames a matte depends on.

    Args:
        masked: frames of the whole plate that have masks, ascending.
        usable: frames of the whole plate, ascending; neighbours in it are neighbours in time.

    Attributes:
        steady: whether edges are held steady over time.
    """

    def __init__(self, shot: Shot, masked: Sequence[int], usable: Sequence[int]) -> None:
        self.usable = tuple(usable)
        self.place = {frame: place for place, frame in enumerate(usable)}
        self._masked = frozenset(masked)
        # A subject that the matter finds by itself has no masks, and a filter of its own.
        self.steady = (
            shot.rules.stability > 0
            and Role.MATTER in shot.engines
            and subject_of(shot.recipe) is None
        )

    def to_matte(self, frames: Collection[int]) -> list[int]:
        """Frames whose raw alphas these are made from, ascending."""
        return self._around(frames, ALPHA_RADIUS if self.steady else 0)

    def to_track(self, frames: Collection[int]) -> list[int]:
        """Frames whose masks these are made from, ascending."""
        return self._around(self.to_matte(frames), TRIMAP_RADIUS if self.steady else 0)

    def _around(self, frames: Collection[int], radius: int) -> list[int]:
        """The frames and those up to `radius` steps from them, as far as masks go on."""
        found = set(frames)
        for frame in frames:
            for step in (-1, 1):
                for distance in range(1, radius + 1):
                    place = self.place[frame] + step * distance
                    if not 0 <= place < len(self.usable):
                        break
                    if self.usable[place] not in self._masked:
                        break
                    found.add(self.usable[place])
        return sorted(found)
