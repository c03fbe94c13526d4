"""A recipe over a frame range to mattes: the main job."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

from airoto.errors import RecipeError, Violation
from airoto.wire import messages as pb
from airoto.wire.recipe import recipe_hash, validate
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Engine, Matter, Tracked, Tracker, Trimap
from airoto_server.ops.seeds import seed_for
from airoto_server.scheduler.admission import Job, Place
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.lane import Turn
from airoto_server.sessions.delivery import Delivery
from airoto_server.sessions.detecting import (
    SeeThrough,
    phrases_not_found,
    texts_in,
    with_boxes,
)
from airoto_server.sessions.events import (
    Event,
    Finished,
    FoundObject,
    FrameFinished,
    FrameStatus,
    Planned,
    Queued,
    Warned,
)
from airoto_server.sessions.keyframes import Prompting, chosen, painted_trimap
from airoto_server.sessions.masks import MaskStore
from airoto_server.sessions.mattes import FrameMattes, MatteStage
from airoto_server.sessions.matting import FrameMatting
from airoto_server.sessions.paths import refuse_relative_paths
from airoto_server.sessions.preview import PreviewMaker
from airoto_server.sessions.progress import Tally
from airoto_server.sessions.shot import Shot, frame_span, open_shot
from airoto_server.sessions.subject import (
    FOUND,
    SubjectMatting,
    check_subject,
    subject_of,
)
from airoto_server.sessions.tracking import GroupTracking, TrackSettings
from airoto_server.sessions.workshop import Workshop

# Finished frames that may wait for the disk.
_WRITES_AHEAD = 2

Masks = Mapping[int, Tracked]


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
    roles: tuple[Role, ...] = (Role.SEGMENTER, Role.TRACKER, Role.MATTER)
    if texts_in(request.recipe):
        roles = (Role.DETECTOR, *roles)
    if subject_of(request.recipe) is not None:
        roles = (Role.MATTER,)
    shot = open_shot(workshop, request.recipe, request.uploads, roles)
    check_subject(shot)
    with ExitStack() as stack:
        folder = workshop.job_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        finding = workshop.for_clicks(shot.recipe.plate.path)
        shot, found = with_boxes(finding, shot, lambda: finding.lane.turn(folder.name, cancel))
        _Job(workshop, shot, found, request, cancel, emit, folder, stack).run()


class _Job:
    """One render. `run` is its story; the rest are its parts."""

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        found: Sequence[FoundObject],
        request: pb.RenderRequest,
        cancel: Cancel,
        emit: Callable[[Event], None],
        folder: Path,
        stack: ExitStack,
    ) -> None:
        self._workshop = workshop
        self._shot = shot
        self._found = tuple(found)
        self._cancel = cancel
        self._emit = emit
        self._folder = folder
        self._stack = stack
        self._client = folder.name
        self._span = frame_span(shot.recipe, request.frames if request.HasField("frames") else None)
        self._hash = recipe_hash(request.recipe)
        self._delivery = Delivery(workshop, shot, self._hash, request.delivery, folder)
        self._preview = (
            PreviewMaker(shot, folder / "preview", workshop.decoder) if request.preview else None
        )
        self._tally = Tally(0)
        self._see_through = SeeThrough(workshop, shot, self._turn)
        # Fallbacks of engines, told after the turn in which they happened.
        self._notes: list[str] = []
        self._ticket = Job(
            shot.recipe.name or Path(shot.recipe.output.path).name,
            client=cancel.client,
            request_id=cancel.request_id,
            recipe_hash=self._hash,
        )

    def run(self) -> None:
        shot, emit = self._shot, self._emit
        plan = shot.reader.plan(frame_span(shot.recipe, None))
        trackable = plan.usable
        self._check_prompted_frames(set(trackable))
        wanted = self._wanted(trackable)
        kept, todo = self._delivery.divide(wanted)
        skipped = sorted(set(self._span) - set(wanted))
        self._tally = Tally(len(todo), self._workshop.watch.stage)
        emit(Planned(self._hash, shot.provenance, len(todo), tuple(kept), self._found))
        for phrase in phrases_not_found(shot, self._found):
            emit(Warned(f"nothing was found for {phrase!r}", shot.recipe.detect.frame))
        for note in plan.notes:
            emit(Warned(note))
        for frame in skipped:
            emit(FrameFinished(frame, FrameStatus.SKIPPED))
        for frame in kept:
            emit(self._delivery.kept(frame))
        if todo:
            with self._on_a_device(len(todo)):
                self._make(todo, trackable)
        if self._preview is not None:
            self._make_preview(kept)
        tally = self._tally
        emit(Finished(len(todo), len(kept), len(skipped), tally.seconds, tally.stage_seconds))

    # ---- what there is to do ----------------------------------------------------

    def _wanted(self, trackable: Sequence[int]) -> list[int]:
        """Frames that get a matte: those asked for that can have masks."""
        return [frame for frame in self._masked(trackable) if frame in self._span]

    def _masked(self, trackable: Sequence[int]) -> Sequence[int]:
        """Frames of the plate that have masks: without a tracker only the prompted ones."""
        if Role.TRACKER in self._shot.engines or subject_of(self._shot.recipe) is not None:
            return trackable
        prompted = {p.frame for o in self._shot.recipe.objects for p in o.prompts}
        return [frame for frame in trackable if frame in prompted]

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

    # ---- making -----------------------------------------------------------------

    @contextmanager
    def _on_a_device(self, frames: int) -> Iterator[None]:
        """Wait for the queue, tell the place in it, and work on the device it gives."""

        def tell(place: Place) -> None:
            self._emit(Queued(place.position, place.running, place.wait_seconds))

        self._ticket.total = frames
        with self._workshop.admission.admitted(self._ticket, self._cancel, tell) as device:
            self._workshop = self._workshop.at(device)
            with self._workshop.lane.job(self._client, self._cancel.client):
                yield

    def _tell_progress(self) -> None:
        progress = self._tally.progress()
        self._ticket.tell(progress.stage, progress.done, progress.seconds_left)
        self._emit(progress)

    def _make(self, todo: Sequence[int], trackable: Sequence[int]) -> None:
        tally = self._tally
        stage = self._matte_stage(todo, trackable)
        groups = self._groups(stage.to_track, trackable)
        tally.plan("segment", sum(len(group.keyframes_needed) for group in groups))
        tally.plan("track", sum(group.steps for group in groups))
        tally.plan("matte", len(stage.to_matte))
        self._tell_progress()
        prompting = self._stack.enter_context(
            Prompting.opened(self._workshop, self._shot, self._turn)
        )
        if prompting.segmenter is not None:
            self._engine_ran(Role.SEGMENTER, prompting.segmenter)
        for group in groups:
            for frame in group.keyframes_needed:
                with tally.unit("segment"):
                    group.keyframes.put(frame, self._prompted(prompting, group, frame))
                self._tell_progress()
        matter = self._matter()
        subject = self._subject(matter, trackable)
        waiting: deque[Future[FrameFinished]] = deque()
        with (
            ThreadPoolExecutor(1, thread_name_prefix="airoto-write") as pool,
            closing(_together(groups)) as tracked,
            closing(self._mattes(stage, tracked, matter, subject)) as mattes,
        ):
            try:
                for made in mattes:
                    frame, masks, alphas = made.frame, made.masks, made.alphas
                    deliver = self._delivery.deliver
                    waiting.append(pool.submit(deliver, frame, masks, alphas, made.matting))
                    if self._preview is not None:
                        self._preview.add(frame, made.matting.plate, alphas, masks)
                    self._hand_over(waiting, _WRITES_AHEAD)
                self._hand_over(waiting, 0)
            finally:
                for one in waiting:
                    one.cancel()

    def _groups(self, todo: Sequence[int], trackable: Sequence[int]) -> list[GroupTracking]:
        shot, options = self._shot, self._shot.recipe.track
        tracker: Tracker | None = None
        if Role.TRACKER in shot.engines:
            tracker = self._workshop.tracker(shot.engines[Role.TRACKER], f"job {self._client}")
            self._engine_ran(Role.TRACKER, tracker)
        members: dict[str, list[pb.RotoObject]] = {}
        for one in shot.recipe.objects:
            members.setdefault(one.group, []).append(one)
        return [
            GroupTracking(
                tracker,
                frames=trackable,
                keyframes=MaskStore(self._folder / "keys" / str(index)),
                keys={one.id: sorted(p.frame for p in one.prompts) for one in objects},
                pictures=shot.frames.pictures,
                turn=self._track_turn,
                spill=MaskStore(self._folder / "spill" / str(index)),
                settings=TrackSettings(
                    forward=options.direction != pb.Direction.DIRECTION_BACKWARD,
                    backward=options.direction != pb.Direction.DIRECTION_FORWARD,
                    whole_shot=options.memory_mode == pb.MemoryMode.MEMORY_MODE_SHOT,
                    seed=seed_for(shot.seed, "track", group),
                ),
                shape=(shot.working.height, shot.working.width),
                wanted=todo,
            )
            for index, (group, objects) in enumerate(sorted(members.items()))
        ]

    def _prompted(self, prompting: Prompting, group: GroupTracking, frame: int) -> Masks:
        answers: dict[int, Tracked] = {}
        for one in self._shot.recipe.objects:
            prompt = next((p for p in one.prompts if p.frame == frame), None)
            if one.id not in group.object_ids or prompt is None:
                continue
            found = chosen(prompting.candidates(one.id, prompt), prompt.candidate)
            answers[one.id] = Tracked(found.mask, 1.0)
        return answers

    def _matter(self) -> Matter | None:
        spec = self._shot.engines.get(Role.MATTER)
        if spec is None:
            return None
        matter = self._workshop.matter(spec, self._notes.append)
        self._engine_ran(Role.MATTER, matter)
        return matter

    def _subject(self, matter: Matter | None, frames: Sequence[int]) -> SubjectMatting | None:
        one = subject_of(self._shot.recipe)
        if one is None or matter is None:
            return None
        return SubjectMatting(self._shot, one, matter, frames, self._matting, self._turn)

    def _engine_ran(self, role: Role, engine: Engine) -> None:
        """Load it, and take into every header where and how it runs."""
        with self._turn():
            self._delivery.provenance = self._delivery.provenance.with_engine(role, engine)

    def _matte_stage(self, todo: Sequence[int], trackable: Sequence[int]) -> MatteStage:
        tally = self._tally
        return MatteStage(
            self._shot,
            todo,
            masked=self._masked(trackable),
            usable=trackable,
            painted=self._painted_trimap,
            turn=self._turn,
            unit=lambda frames: tally.unit("matte", frames),
            matting=self._matting,
            answered=self._tell_notes,
        )

    def _mattes(
        self,
        stage: MatteStage,
        tracked: Iterator[tuple[int, Masks]],
        matter: Matter | None,
        subject: SubjectMatting | None,
    ) -> Generator[FrameMattes, None, None]:
        if subject is None:
            yield from stage.run(tracked, matter)
            return
        for frame, _ in tracked:
            with self._tally.unit("matte"):
                matting = self._matting(frame)
                masks, alphas = subject.at(frame)
            if all(one.confidence < FOUND for one in masks.values()):
                self._emit(Warned("no subject was found", frame))
            yield FrameMattes(frame, masks, alphas, matting)

    def _matting(self, frame: int) -> FrameMatting:
        shot = self._shot
        return FrameMatting(
            shot.frames.plate(frame),
            window=shot.window,
            working=shot.working,
            scale=shot.scale,
            colour=shot.frames.colour,
            rules=shot.rules,
            threads=shot.threads,
            check=self._cancel.check,
            see_through=self._see_through.boxes(frame),
        )

    def _tell_notes(self, frame: int) -> None:
        """What engines fell back to on a frame, in an event and in headers."""
        notes, self._notes[:] = list(dict.fromkeys(self._notes)), []
        self._delivery.provenance = self._delivery.provenance.with_notes(notes)
        for note in notes:
            self._emit(Warned(note, frame))

    def _painted_trimap(self, object_id: int, frame: int) -> Trimap | None:
        for one in self._shot.recipe.objects:
            for prompt in one.prompts:
                if (one.id, prompt.frame) == (object_id, frame):
                    return painted_trimap(self._workshop, self._shot, prompt)
        return None

    def _hand_over(self, waiting: deque[Future[FrameFinished]], at_most: int) -> None:
        while len(waiting) > at_most or (waiting and waiting[0].done()):
            finished = waiting.popleft().result()
            self._tally.frames_done += 1
            self._emit(finished)
            self._tell_progress()

    def _make_preview(self, kept: Sequence[int]) -> None:
        assert self._preview is not None
        with self._tally.unit("preview"):
            for frame in kept:
                self._cancel.check()
                self._preview.add_kept(frame, self._delivery.path(frame))
            for made in self._preview.finish(self._workshop.spool):
                self._emit(made)

    def _turn(self) -> AbstractContextManager[Turn]:
        return self._workshop.lane.turn(self._client, self._cancel)

    @contextmanager
    def _track_turn(self) -> Iterator[None]:
        with self._tally.unit("track"), self._turn():
            yield
        self._tell_progress()


def _together(groups: Sequence[GroupTracking]) -> Generator[tuple[int, Masks], None, None]:
    """The answers of all groups, frame by frame; close it where it is left early."""
    with ExitStack() as stack:
        results = [stack.enter_context(closing(group.results())) for group in groups]
        for answers in zip(*results, strict=True):
            masks: dict[int, Tracked] = {}
            for _, tracked in answers:
                masks |= tracked
            yield answers[0][0], masks
