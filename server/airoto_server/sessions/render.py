"""A recipe over a frame range to mattes: the main job."""

from __future__ import annotations

import math
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from airoto.errors import OutputError, RecipeError, Violation
from airoto.review import Seen, frames_to_review
from airoto.wire import messages as pb
from airoto.wire.recipe import recipe_hash, validate
from airoto_server.engines.registry import Role
from airoto_server.ops.parallel import ordered_map
from airoto_server.scheduler.admission import Job, Place
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.cache import ShotCache, Stage
from airoto_server.sessions.cache_keys import ShotKeys
from airoto_server.sessions.content_ahead import ContentAhead
from airoto_server.sessions.delivery import Delivery, Matted
from airoto_server.sessions.detecting import phrases_not_found, with_boxes
from airoto_server.sessions.events import (
    Event,
    Finished,
    FoundObject,
    FrameFinished,
    FrameStatus,
    Planned,
    Queued,
    Reviewed,
    Warned,
)
from airoto_server.sessions.groups import Groups
from airoto_server.sessions.locked import LockedFrames
from airoto_server.sessions.making import Making
from airoto_server.sessions.parts import Part, group_named, require_masks
from airoto_server.sessions.paths import refuse_relative_paths
from airoto_server.sessions.preview import PreviewMaker
from airoto_server.sessions.progress import Tally
from airoto_server.sessions.shot import Shot, frame_span, open_shot
from airoto_server.sessions.subject import FOUND, check_subject, not_found, subject_of
from airoto_server.sessions.workshop import Workshop

# Frames that are taken from the cache side by side.
_TOGETHER = 8


def render(
    workshop: Workshop,
    request: pb.RenderRequest,
    cancel: Cancel,
    emit: Callable[[Event], None],
) -> None:
    """Make the mattes of a recipe and tell what happens through `emit`.

    Frames come in ascending order. Nothing is begun if anything about the recipe, the plate
    or the output folder is wrong. A render that fails or is cancelled leaves finished frames
    finished and nothing half-written.

    Raises:
        AIRotoError: of any kind.
    """
    validate(request.recipe)
    refuse_relative_paths(
        request.recipe,
        uploaded=bool(request.uploads),
        written=request.delivery != pb.Delivery.DELIVERY_HANDLES,
    )
    part = Part(request)
    part.check(workshop)
    shot = open_shot(workshop, request.recipe, request.uploads, part.roles(request.recipe))
    check_subject(shot)
    with ExitStack() as stack:
        folder = workshop.job_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        finding = workshop.for_clicks(shot.recipe.plate.path)
        shot, found = with_boxes(finding, shot, lambda: finding.lane.turn(folder.name, cancel))
        _Job(workshop, shot, found, request, part, cancel, emit, folder, stack).run()


class _Job:
    """One render. `run` is its story; the rest are its parts."""

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        found: Sequence[FoundObject],
        request: pb.RenderRequest,
        part: Part,
        cancel: Cancel,
        emit: Callable[[Event], None],
        folder: Path,
        stack: ExitStack,
    ) -> None:
        self._workshop = workshop
        self._shot = shot
        self._found = tuple(found)
        self._request = request
        self._part = part
        self._cancel = cancel
        self._emit = emit
        self._folder = folder
        self._stack = stack
        self._span = frame_span(shot.recipe, request.frames if request.HasField("frames") else None)
        self._hash = recipe_hash(request.recipe)
        self._cache = ShotCache(workshop.results, lambda message: emit(Warned(message)))
        self._delivery = Delivery(workshop, shot, self._hash, request.delivery, folder, self._cache)
        self._preview = (
            PreviewMaker(shot, folder / "preview", workshop.decoder) if request.preview else None
        )
        self._seen: dict[int, list[Seen]] = {}
        self._tally = Tally(0)
        self._ticket = Job(
            shot.recipe.name or Path(shot.recipe.output.path).name,
            client=cancel.client,
            request_id=cancel.request_id,
            recipe_hash=self._hash,
            most=workshop.person.renders,
        )

    def run(self) -> None:
        shot, emit = self._shot, self._emit
        plan = shot.reader.plan(frame_span(shot.recipe, None))
        self._check_prompted_frames(set(plan.usable))
        locked = self._locked(plan.usable)
        keys = self._keys(plan.usable, locked)
        masked = self._masked(plan.usable, locked.frames)
        groups = Groups(shot, plan.usable, masked, locked.frames, keys)
        if self._part.only_track:
            self._track(groups, locked, keys, [one for one in masked if one in self._span])
            return
        wanted = [one for one in masked if one in self._span and one not in locked.frames]
        approved = sorted(locked.frames & set(self._span))
        kept, todo = self._delivery.divide(wanted, groups.result_key)
        skipped = sorted(set(self._span) - set(wanted) - locked.frames)
        self._tally = Tally(len(todo), self._workshop.watch.stage)
        before = sorted((*kept, *approved))
        emit(Planned(self._hash, shot.provenance, len(todo), tuple(before), self._found))
        for phrase in phrases_not_found(shot, self._found):
            emit(Warned(f"nothing was found for {phrase!r}", shot.recipe.detect.frame))
        for note in plan.notes:
            emit(Warned(note))
        for frame in skipped:
            emit(FrameFinished(frame, FrameStatus.SKIPPED))
        for frame in before:
            is_approved = frame in locked.frames
            self._tell(locked.finished(frame) if is_approved else self._delivery.kept(frame))
        rest, later = self._again(groups, todo)
        if rest and not self._part.may_track and subject_of(shot.recipe) is None:
            require_masks(groups, self._cache, rest)
        if rest:
            with self._on_a_device(len(rest)):
                self._make(self._making(groups, locked, keys), rest, later)
        self._tell_again(later)
        if self._preview is not None:
            copied = set(todo).difference(rest)
            self._make_preview(sorted({*kept, *copied}), approved, locked)
        self._review()
        tally = self._tally
        emit(
            Finished(
                len(todo),
                len(before),
                len(skipped),
                tally.seconds,
                tally.stage_seconds,
                self._cache.made,
                self._cache.found,
            )
        )

    # ---- what there is to do ----------------------------------------------------

    def _masked(self, trackable: Sequence[int], locked: Collection[int]) -> Sequence[int]:
        """Frames of the plate that have masks: without a tracker only the prompted ones."""
        if Role.TRACKER in self._shot.engines or subject_of(self._shot.recipe) is not None:
            return trackable
        prompted = {p.frame for o in self._shot.recipe.objects for p in o.prompts}
        return [frame for frame in trackable if frame in prompted or frame in locked]

    def _check_prompted_frames(self, usable: set[int]) -> None:
        wrong = tuple(
            Violation(
                f"objects[{i}].prompts[{j}].frame",
                f"{prompt.frame}, which is missing and skipped",
                "a frame that the plate has",
            )
            for i, roto_object in enumerate(self._shot.recipe.objects)
            for j, prompt in enumerate(roto_object.prompts)
            if prompt.frame not in usable
        )
        if wrong:
            raise RecipeError(str(wrong[0]), violations=wrong)

    def _locked(self, usable: Sequence[int]) -> LockedFrames:
        uploads = self._request.locked
        return LockedFrames(self._workshop, self._shot, self._delivery, uploads, set(usable))

    # ---- making -----------------------------------------------------------------

    @contextmanager
    def _on_a_device(self, frames: int) -> Iterator[None]:
        """Wait for the queue, tell the place in it, and work on the device it gives."""

        def tell(place: Place) -> None:
            self._emit(Queued(place.position, place.running, place.wait_seconds))

        self._ticket.total = frames
        with self._workshop.admission.admitted(self._ticket, self._cancel, tell) as device:
            self._workshop = self._workshop.at(device)
            with self._workshop.lane.job(self._folder.name, self._cancel.client):
                yield

    def _keys(self, trackable: Sequence[int], locked: LockedFrames) -> ShotKeys:
        shot = self._shot
        contents = ContentAhead(shot.reader.content_id, trackable, shot.threads)
        self._stack.enter_context(closing(contents))
        return ShotKeys(self._workshop, shot, contents, locked.digests)

    def _again(self, groups: Groups, todo: Sequence[int]) -> tuple[list[int], deque[FrameFinished]]:
        """Deliver the frames whose files are in the cache.

        Returns:
            The frames that are to be made, and those delivered that are still to be told: frames
            are told in ascending order, so behind the first one to be made they wait.
        """
        by_handle = self._request.delivery == pb.Delivery.DELIVERY_HANDLES
        if self._preview is not None and by_handle:  # a preview is made from files or alphas
            return list(todo), deque()
        rest: list[int] = []
        later: deque[FrameFinished] = deque()
        for start in range(0, len(todo), _TOGETHER):
            self._cancel.check()
            some = todo[start : start + _TOGETHER]
            found = ordered_map(
                lambda frame: self._delivery.again(frame, groups.result_key(frame)),
                some,
                self._shot.threads,
            )
            for frame, one in zip(some, found, strict=True):
                if one is None:
                    rest.append(frame)
                    continue
                self._tally.frames_done += 1
                later.append(one)
                if not rest:
                    self._tell_again(later)
                    self._tell_progress()
        return rest, later

    def _tell_again(self, later: deque[FrameFinished], before: float = math.inf) -> None:
        """Tell of the frames below `before` that came out of the cache."""
        while later and later[0].frame < before:
            one = later.popleft()
            self._warn_if_lost(one.frame, [each.confidence for each in one.objects])
            self._tell(one)

    def _track(
        self, groups: Groups, locked: LockedFrames, keys: ShotKeys, wanted: Sequence[int]
    ) -> None:
        """Leave the masks of one group on these frames in the cache, and nothing else."""
        group = group_named(groups, self._part.group)
        self._tally = Tally(len(wanted), self._workshop.watch.stage)
        self._emit(Planned(self._hash, self._shot.provenance, len(wanted), (), self._found))
        if wanted:
            with self._on_a_device(len(wanted)):
                self._making(groups, locked, keys).track(group, wanted)
        cache, tally = self._cache, self._tally
        lost = sum(not cache.has(Stage.TRACK, group.keys.of(frame)) for frame in wanted)
        if lost:
            why = cache.failure or "its limit is too small"
            raise OutputError(
                f"tracked masks of {lost} frames are not kept in the cache: {why}",
                hint="make room there, or start the server with another folder or limit "
                "(--cache, --cache-limit)",
            )
        kept = cache.found.get(Stage.TRACK.value, 0)
        skipped = len(self._span) - len(wanted)
        self._emit(
            Finished(
                len(wanted) - kept,
                kept,
                skipped,
                tally.seconds,
                tally.stage_seconds,
                cache.made,
                cache.found,
            )
        )

    def _making(self, groups: Groups, locked: LockedFrames, keys: ShotKeys) -> Making:
        return Making(
            self._workshop,
            self._shot,
            groups=groups,
            locked=locked,
            keys=keys,
            cache=self._cache,
            folder=self._folder,
            client=self._folder.name,
            cancel=self._cancel,
            tally=self._tally,
            told=self._tell_progress,
            warn=lambda note, frame: self._emit(Warned(note, frame)),
            may_track=self._part.may_track,
        )

    def _make(self, making: Making, todo: Sequence[int], later: deque[FrameFinished]) -> None:
        with closing(making.make(todo, self._delivery, self._look)) as finished:
            for one in finished:
                self._tell_again(later, one.frame)
                self._tell(one)
                self._tell_progress()

    def _tell_progress(self) -> None:
        progress = self._tally.progress()
        self._ticket.tell(progress.stage, progress.done, progress.seconds_left)
        self._emit(progress)

    def _look(self, one: Matted) -> None:
        """Keep a small picture of a frame, where one is wanted."""
        self._warn_if_lost(one.frame, [each.confidence for each in one.masks.values()])
        if self._preview is not None:
            plate = self._shot.frames.plate(one.frame)
            self._preview.add(one.frame, plate, one.alphas, one.masks)

    def _warn_if_lost(self, frame: int, confidences: Iterable[float]) -> None:
        matter = self._shot.engines.get(Role.MATTER)
        if matter is None or subject_of(self._shot.recipe) is None:
            return
        if all(each < FOUND for each in confidences):
            self._emit(Warned(not_found(matter.facts), frame))

    def _tell(self, one: FrameFinished) -> None:
        """Tell of a frame, and remember what was said of it."""
        self._seen[one.frame] = [
            Seen(each.object_id, each.confidence, each.area) for each in one.objects
        ]
        self._emit(one)

    def _review(self) -> None:
        names = {one.id: one.name for one in self._shot.recipe.objects}
        findings = frames_to_review(self._seen, names)
        if findings:
            self._emit(Reviewed(tuple(findings)))

    def _make_preview(
        self, kept: Sequence[int], approved: Sequence[int], locked: LockedFrames
    ) -> None:
        assert self._preview is not None
        with self._tally.unit("preview"):
            for frame in kept:
                self._cancel.check()
                self._preview.add_kept(frame, self._delivery.path(frame))
            for frame in approved:
                plate = self._shot.frames.plate(frame)
                self._preview.add(frame, plate, locked.alphas(frame), {})
            for made in self._preview.finish(self._workshop.spool):
                self._emit(made)
