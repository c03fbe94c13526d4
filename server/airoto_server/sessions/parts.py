"""Parts of a render, for farms: tracking alone, or mattes from masks that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airoto.errors import BadRequestError, ResultMissingError
from airoto.wire import messages as pb
from airoto_server.engines.registry import Role
from airoto_server.sessions.cache import ShotCache, Stage
from airoto_server.sessions.detecting import texts_in
from airoto_server.sessions.groups import Group, Groups
from airoto_server.sessions.subject import subject_of
from airoto_server.sessions.workshop import Workshop

_TRACK = pb.RenderStage.RENDER_STAGE_TRACK
_MATTE = pb.RenderStage.RENDER_STAGE_MATTE
# Frames that a message names.
_NAMED = 8


class Part:
    """What of a render is asked for.

    Attributes:
        only_track: masks into the cache, no files.
        may_track: whether masks that are not kept are made.
        group: whose masks, where `only_track`.
    """

    def __init__(self, request: pb.RenderRequest) -> None:
        stage = request.part.stage
        if request.HasField("part") and stage not in (_TRACK, _MATTE):
            raise BadRequestError(
                f"part.stage: {stage}; allowed: RENDER_STAGE_TRACK, RENDER_STAGE_MATTE"
            )
        self.only_track = stage == _TRACK
        self.may_track = stage != _MATTE or request.part.may_track
        self.group = request.part.group

    def roles(self, recipe: pb.Recipe) -> tuple[Role, ...]:
        """The engines that are needed, or that what is needed depends on.

        Raises:
            BadRequestError: there is nothing to track.
        """
        if subject_of(recipe) is not None:
            if self.only_track:
                raise BadRequestError(
                    "part.stage: RENDER_STAGE_TRACK, but the matter finds its subject by itself, "
                    "so there is nothing to track"
                )
            return (Role.MATTER,)
        found = (Role.DETECTOR,) if texts_in(recipe) else ()
        last = () if self.only_track else (Role.MATTER,)
        return (*found, Role.SEGMENTER, Role.TRACKER, *last)

    def check(self, workshop: Workshop) -> None:
        """Refuse parts where nothing is kept that could go from one to the next.

        Raises:
            BadRequestError: this server keeps no results.
        """
        if (self.only_track or not self.may_track) and workshop.results is None:
            raise BadRequestError(
                "this server keeps no results, so a part of a render cannot hand on what it makes",
                hint="start it with --cache and a folder that all servers of the job share",
            )


def group_named(groups: Groups, name: str) -> Group:
    """The group of that name.

    Raises:
        BadRequestError: there is none; says which there are.
    """
    for one in groups.all:
        if one.name == name:
            return one
    known = ", ".join(repr(one.name) for one in groups.all)
    raise BadRequestError(f"part.group: {name!r}; allowed: {known}")


def require_masks(groups: Groups, cache: ShotCache, frames: Sequence[int]) -> None:
    """Refuse to matte frames for which masks are not kept.

    Raises:
        ResultMissingError: some are not; names group and frames.
    """
    lacking = [
        (group.name, frame)
        for frame in groups.surroundings.to_track(frames)
        for group in groups.all
        if not cache.has(Stage.TRACK, group.keys.of(frame))
    ]
    if lacking:
        raise missing_masks(lacking)


def missing_masks(lacking: Iterable[tuple[str, int]]) -> ResultMissingError:
    """The error that names the masks which are not kept, as group and frame."""
    by_group: dict[str, list[int]] = {}
    for name, frame in lacking:
        by_group.setdefault(name, []).append(frame)
    said = []
    for name, frames in by_group.items():
        more = f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else ""
        whose = f"the group {name!r}" if name else "the objects"
        said.append(f"{', '.join(map(str, frames[:_NAMED]))}{more} of {whose}")
    return ResultMissingError(
        f"tracked masks are not in the cache: frames {'; '.join(said)}",
        hint="run the track tasks of these frames again, and look whether all servers of the job "
        "share one cache that is large enough (--cache, --cache-limit)",
        frame=min(frame for frames in by_group.values() for frame in frames),
    )
