"""The stages of a render: keyframe masks, tracked masks, mattes, files; they overlap."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airoto.errors import CancelledError
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Engine, Mask, MatteResult, Tracked, Trimap
from airoto_server.ops.boxes import Box
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.lane import Turn
from airoto_server.sessions.cache import ShotCache, Stage
from airoto_server.sessions.cache_keys import ShotKeys
from airoto_server.sessions.delivery import Delivery, Matted
from airoto_server.sessions.detecting import SeeThrough
from airoto_server.sessions.events import FrameFinished, Provenance
from airoto_server.sessions.groups import Group, Groups
from airoto_server.sessions.job_engines import told_by
from airoto_server.sessions.kept_mattes import KeptMattes
from airoto_server.sessions.keyframes import Prompting, chosen, painted_trimap
from airoto_server.sessions.locked import LockedFrames
from airoto_server.sessions.masks import MaskStore, quantised
from airoto_server.sessions.mattes import MatteStage
from airoto_server.sessions.matting import FrameMatting, ObjectAlpha
from airoto_server.sessions.parts import missing_masks
from airoto_server.sessions.paths import drawn_as_is
from airoto_server.sessions.pipeline import overlapped
from airoto_server.sessions.progress import Tally
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.subject import SubjectMatting, subject_of
from airoto_server.sessions.tracking import GroupTracking
from airoto_server.sessions.workshop import Workshop

if TYPE_CHECKING:
    from airoto_server.engines.edge_model import EdgeModel

Masks = Mapping[int, Tracked]

# What may wait between two stages. Few: a frame of a large plate is large.
_TRACKED_AHEAD = 2
_WRITERS = 2
_WRITES_AHEAD = 2


class Making:
    """Makes frames of one shot.

    Args:
        workshop: at the device where it is done.
        folder: for what waits on disk.
        client: whose turns on the device these are.
        tally: counts the work.
        told: called whenever some of it is done, from any thread.
        warn: told of fallbacks and the frame, from any thread.
        may_track: False: tracked masks that are not kept are an error.
    """

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        *,
        groups: Groups,
        locked: LockedFrames,
        keys: ShotKeys,
        cache: ShotCache,
        folder: Path,
        client: str,
        cancel: Cancel,
        tally: Tally,
        told: Callable[[], None],
        warn: Callable[[str, int], None],
        may_track: bool = True,
    ) -> None:
        self._may_track = may_track
        self._workshop = workshop
        self._shot = shot
        self._groups = groups
        self._locked = locked
        self._keys = keys
        self._cache = cache
        self._folder = folder
        self._client = client
        self._cancel = cancel
        self._tally = tally
        self._told = told
        self._warn = warn
        self._stopped = threading.Event()
        self._prompts = {
            (one.id, prompt.frame): prompt for one in shot.recipe.objects for prompt in one.prompts
        }
        self._see_through = SeeThrough(workshop, shot, self._turn)
        # Fallbacks of the matter: since it was last asked, and in all.
        self._notes: list[str] = []
        self._fallbacks: dict[str, None] = {}
        specs = shot.engines
        self._segmenter = (
            workshop.segmenter(specs[Role.SEGMENTER]) if Role.SEGMENTER in specs else None
        )
        self._tracker = (
            workshop.tracker(specs[Role.TRACKER], f"job {client}")
            if Role.TRACKER in specs
            else None
        )
        self._matter = (
            workshop.matter(specs[Role.MATTER], self._notes.append)
            if Role.MATTER in specs
            else None
        )

    def make(
        self, todo: Sequence[int], delivery: Delivery, look: Callable[[Matted], None]
    ) -> Generator[FrameFinished, None, None]:
        """Make these frames, ascending; each comes when its file is there.

        Args:
            look: called with every frame, while it is written.
        """
        tally = self._tally
        groups = self._tracking(self._groups.surroundings.to_track(todo))
        tally.plan("matte", len(todo))
        self._tell_engines(delivery)
        if self._may_track:
            self._begin(groups)
        with (
            ThreadPoolExecutor(_WRITERS, thread_name_prefix="airoto-write") as pool,
            closing(overlapped(_together(groups), _TRACKED_AHEAD, "airoto-track")) as tracked,
            closing(
                overlapped(
                    self._written(todo, tracked, delivery, pool), _WRITES_AHEAD, "airoto-matte"
                )
            ) as written,
        ):
            try:
                for one, finished in written:
                    self._cancel.check()
                    look(one)
                    done = finished.result()
                    self._shot.frames.let_go(one.frame)
                    tally.frames_done += 1
                    yield done
            finally:
                self._stopped.set()

    def track(self, group: Group, wanted: Sequence[int]) -> None:
        """Track these frames of one group, ascending, into the cache."""
        self._ask_engines(self._shot.provenance)
        tracking = self._group_tracking(group, wanted)
        self._begin([tracking])
        with closing(tracking.results()) as results:
            for _ in results:
                self._cancel.check()
                self._tally.frames_done += 1
                self._told()

    def _begin(self, groups: Sequence[GroupTracking]) -> None:
        """Say how much there is to track, and make the keyframes that it begins with."""
        self._tally.plan("segment", sum(len(group.keyframes_needed) for group in groups))
        self._tally.plan("track", sum(group.steps for group in groups))
        self._told()
        self._make_keyframes(groups)

    def _tell_engines(self, delivery: Delivery) -> None:
        """Take into every header where and how engines run."""
        delivery.provenance = self._ask_engines(delivery.provenance)

    def _ask_engines(self, made: Provenance) -> Provenance:
        engines: dict[Role, Engine] = {}
        for role, engine in (
            (Role.SEGMENTER, self._segmenter),
            (Role.TRACKER, self._tracker),
            (Role.MATTER, self._matter),
        ):
            if engine is not None:
                engines[role] = engine
        with self._turn():
            return told_by(made, engines, self._workshop.lane.device, self._keys, self._cache)

    def _tracking(self, todo: Sequence[int]) -> list[GroupTracking]:
        return [self._group_tracking(group, todo) for group in self._groups.all]

    def _group_tracking(self, group: Group, wanted: Sequence[int]) -> GroupTracking:
        shot, folder = self._shot, str(self._groups.all.index(group))
        remembered = _Remembered if self._may_track else _AllRemembered
        return GroupTracking(
            self._tracker,
            frames=self._groups.trackable,
            keyframes=MaskStore(self._folder / "keys" / folder),
            keys=group.keyframes,
            pictures=shot.frames.pictures,
            turn=self._track_turn,
            spill=MaskStore(self._folder / "spill" / folder),
            settings=group.settings,
            shape=(shot.working.height, shot.working.width),
            wanted=wanted,
            memory=remembered(self._cache, group, self._tally),
        )

    # ---- keyframes --------------------------------------------------------------

    def _make_keyframes(self, groups: Sequence[GroupTracking]) -> None:
        prompting = Prompting(self._workshop, self._shot, self._segmenter, self._turn)
        for group in groups:
            for frame in group.keyframes_needed:
                with self._tally.unit("segment"):
                    group.keyframes.put(frame, self._keyframe(prompting, group, frame))
                self._told()

    def _keyframe(self, prompting: Prompting, group: GroupTracking, frame: int) -> Masks:
        if frame in self._locked.frames:
            masks = self._locked.masks(frame)
            return {name: one for name, one in masks.items() if name in group.object_ids}
        answers: dict[int, Tracked] = {}
        for object_id in sorted(group.object_ids):
            prompt = self._prompts.get((object_id, frame))
            if prompt is None:
                continue
            key = self._keys.keyframe(object_id, frame)
            found = self._cache.masks(Stage.SEGMENT, key)
            if found is None or found.keys() != {object_id}:
                best = chosen(prompting.candidates(object_id, prompt), prompt.candidate)
                found = {object_id: Tracked(quantised(best.mask), 1.0)}
                self._cache.keep_masks(Stage.SEGMENT, key, found)
            answers |= found
        return answers

    # ---- mattes and files ---------------------------------------------------------

    def _matted(
        self, todo: Sequence[int], tracked: Iterator[tuple[int, Masks]]
    ) -> Generator[Matted, None, None]:
        subject = self._subject()
        if subject is not None:
            for frame, _ in tracked:
                with self._tally.unit("matte"):
                    masks, alphas = subject.at(frame)
                self._answered(frame)
                yield self._made(frame, masks, alphas)
            return
        stage = KeptMattes(
            self._cache,
            self._keys,
            self._groups.surroundings,
            (self._shot.window.height, self._shot.window.width),
            lambda rest: self._stage(rest).run,
            self._matter,
        )
        with closing(stage.run(todo, tracked)) as mattes:
            for one in mattes:
                self._cancel.check()
                if one.kept:
                    self._tally.spare("matte", 1)
                elif not self._fallbacks:  # they are for this time only
                    stage.keep(one)
                yield self._made(one.frame, one.masks, one.alphas)

    def _made(self, frame: int, masks: Masks, alphas: Mapping[int, ObjectAlpha]) -> Matted:
        matting = functools.partial(self._matting, frame)
        return Matted(frame, masks, alphas, matting, tuple(self._fallbacks))

    def _stage(self, todo: Sequence[int]) -> MatteStage:
        return MatteStage(
            self._shot,
            todo,
            surroundings=self._groups.surroundings,
            painted=self._painted_trimap,
            drawn=self._drawn,
            turn=self._turn,
            unit=lambda frames: self._tally.unit("matte", frames),
            matting=lambda frame: self._matting(frame, self._see_through.boxes(frame)),
            answered=self._answered,
        )

    def _answered(self, frame: int) -> None:
        """Tell what the matter fell back to on a frame."""
        for note in dict.fromkeys(self._notes):
            self._warn(note, frame)
            self._fallbacks[note] = None
        self._notes.clear()

    def _subject(self) -> SubjectMatting | None:
        """Where the matter finds its object by itself."""
        one = subject_of(self._shot.recipe)
        if one is None or self._matter is None:
            return None

        def recall(frame: int, look: Callable[[int], MatteResult]) -> MatteResult:
            key = self._keys.subject(one.id, frame)
            kept = (self._cache.masks(Stage.MATTE, key) or {}).get(one.id)
            if kept is None:
                found = look(frame)
                kept = Tracked(quantised(found.alpha), found.confidence)
                if not (self._notes or self._fallbacks):
                    self._cache.keep_masks(Stage.MATTE, key, {one.id: kept})
            return MatteResult(kept.mask, kept.confidence)

        frames = self._groups.trackable
        return SubjectMatting(
            self._shot, one, self._matter, frames, self._matting, self._turn, recall
        )

    def _matting(self, frame: int, see_through: Sequence[Box] = ()) -> FrameMatting:
        shot = self._shot
        plate = shot.frames.plate(frame)
        return FrameMatting(
            plate,
            window=shot.window,
            working=shot.working,
            scale=shot.scale,
            colour=shot.frames.colour,
            rules=shot.rules,
            threads=shot.threads,
            check=self._cancel.check,
            see_through=see_through,
            edges=self._edges(frame),
            shown=lambda: shot.frames.shown(frame, plate.window),
        )

    def _edges(self, frame: int) -> Callable[[Mask], EdgeModel | None] | None:
        spec = self._shot.engines.get(Role.TRACKER)
        if spec is None or (edges := spec.edges) is None:
            return None
        return lambda mask: edges(self._shot.frames.picture(frame), mask)

    def _drawn(self, object_id: int, frame: int) -> bool:
        prompt = self._prompts.get((object_id, frame))
        return prompt is not None and drawn_as_is(prompt)

    def _painted_trimap(self, object_id: int, frame: int) -> Trimap | None:
        prompt = self._prompts.get((object_id, frame))
        if prompt is None or frame in self._locked.frames:
            return None
        return painted_trimap(self._workshop, self._shot, prompt)

    def _written(
        self,
        todo: Sequence[int],
        tracked: Iterator[tuple[int, Masks]],
        delivery: Delivery,
        pool: ThreadPoolExecutor,
    ) -> Generator[tuple[Matted, Future[FrameFinished]], None, None]:
        """Every frame that is matted, and its file, which is being written."""
        futures: list[Future[FrameFinished]] = []
        try:
            with closing(self._matted(todo, tracked)) as matted:
                for one in matted:
                    future = pool.submit(self._deliver, delivery, one)
                    futures = [*(each for each in futures if not each.done()), future]
                    yield one, future
        finally:
            if self._stopped.is_set():
                for future in futures:
                    future.cancel()

    def _deliver(self, delivery: Delivery, one: Matted) -> FrameFinished:
        key = self._groups.result_key(one.frame)
        return delivery.deliver(one, key)

    # ---- turns --------------------------------------------------------------------

    def _turn(self) -> AbstractContextManager[Turn]:
        """The device, for one answer.

        Raises:
            CancelledError: the job was cancelled, or nobody takes what it makes any more.
        """
        if self._stopped.is_set():
            raise CancelledError("the render has ended")
        return self._workshop.lane.turn(self._client, self._cancel)

    @contextmanager
    def _track_turn(self) -> Iterator[None]:
        with self._tally.unit("track"), self._turn():
            yield
        self._told()


class _Remembered:
    """Tracked masks of a group in the cache."""

    def __init__(self, cache: ShotCache, group: Group, tally: Tally) -> None:
        self._cache = cache
        self._group = group
        self._keys = group.keys
        self._tally = tally

    def get(self, frame: int) -> dict[int, Tracked] | None:
        found = self._cache.masks(Stage.TRACK, self._keys.of(frame))
        if found is not None:
            self._tally.spare("track", 1)
        return found

    def put(self, frame: int, answer: Mapping[int, Tracked]) -> None:
        self._cache.keep_masks(Stage.TRACK, self._keys.of(frame), answer)


class _AllRemembered(_Remembered):
    """As `_Remembered`, where all of them have to be there."""

    def get(self, frame: int) -> dict[int, Tracked]:
        found = super().get(frame)
        if found is None:
            raise missing_masks([(self._group.name, frame)])
        return found


def _together(groups: Sequence[GroupTracking]) -> Generator[tuple[int, Masks], None, None]:
    """The answers of all groups, frame by frame; close it where it is left early."""
    with ExitStack() as stack:
        results = [stack.enter_context(closing(group.results())) for group in groups]
        for answers in zip(*results, strict=True):
            masks: dict[int, Tracked] = {}
            for _, tracked in answers:
                masks |= tracked
            yield answers[0][0], masks
