"""The groups of objects that are tracked together, with their keyframes and keys."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airoto.wire import messages as pb
from airoto_server.engines.registry import Role
from airoto_server.ops.seeds import seed_for
from airoto_server.sessions.cache_keys import ShotKeys
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.subject import subject_of
from airoto_server.sessions.surroundings import Surroundings
from airoto_server.sessions.track_keys import TrackKeys
from airoto_server.sessions.tracking import TrackSettings


@dataclass(frozen=True)
class Group:
    """Objects that compete for pixels.

    Attributes:
        name: as the recipe's objects name it; empty: those that name none.
        keyframes: of each object, ascending.
        keys: of its tracked masks.
    """

    name: str
    keyframes: dict[int, list[int]]
    settings: TrackSettings
    keys: TrackKeys


class Groups:
    """All groups of a shot.

    Args:
        trackable: frames that the plate has, ascending.
        masked: those of them that have masks, ascending.
        locked: approved frames, which are keyframes of every object.
    """

    def __init__(
        self,
        shot: Shot,
        trackable: Sequence[int],
        masked: Sequence[int],
        locked: Collection[int],
        keys: ShotKeys,
    ) -> None:
        self.trackable = trackable
        self.surroundings = Surroundings(shot, masked, trackable)
        self._keys = keys
        self._has_subject = subject_of(shot.recipe) is not None
        members: dict[str, list[pb.RotoObject]] = {}
        for one in shot.recipe.objects:
            members.setdefault(one.group, []).append(one)
        self.all = [
            self._group(shot, name, objects, locked) for name, objects in sorted(members.items())
        ]

    def result_key(self, frame: int) -> str:
        """What a frame's file depends on."""
        around = self.surroundings.to_track([frame])
        tracked = tuple((one, *(group.keys.of(one) for group in self.all)) for one in around)
        return self._keys.file(frame, tracked, {*around, *self._beside(frame)})

    def _beside(self, frame: int) -> Sequence[int]:
        """The neighbours that a subject's matte is held against."""
        if not self._has_subject:
            return ()
        at = bisect_left(self.trackable, frame)
        return [one for one in self.trackable[max(0, at - 1) : at + 2] if one != frame]

    def _group(
        self, shot: Shot, name: str, objects: Sequence[pb.RotoObject], locked: Collection[int]
    ) -> Group:
        options = shot.recipe.track
        settings = TrackSettings(
            forward=options.direction != pb.Direction.DIRECTION_BACKWARD,
            backward=options.direction != pb.Direction.DIRECTION_FORWARD,
            whole_shot=options.memory_mode == pb.MemoryMode.MEMORY_MODE_SHOT,
            seed=seed_for(shot.seed, "track", name),
        )
        keyframes = {
            one.id: sorted({prompt.frame for prompt in one.prompts}.union(locked))
            for one in objects
        }
        keys = TrackKeys(
            self._keys.engine(Role.TRACKER),
            frames=self.trackable,
            keys=keyframes,
            settings=settings,
            picture=self._keys.picture,
            keyframe=self._keys.keyframe,
        )
        return Group(name, keyframes, settings, keys)
