"""The subject that a matter finds by itself, frame by frame, without flicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from airoto.errors import RecipeError, Violation
from airoto.wire import messages as pb
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import EngineFacts, Matter, MatteResult, Tracked
from airoto_server.ops.seeds import seed_for
from airoto_server.ops.temporal import without_flicker
from airoto_server.sessions.matting import FrameMatting, ObjectAlpha
from airoto_server.sessions.shot import Shot

# Below this confidence of the matter there is no subject.
FOUND = 0.5


def subject_of(recipe: pb.Recipe) -> pb.RotoObject | None:
    """The object that the matter has to find; None where every object is prompted, or an
    approved frame says where it is."""
    if recipe.locked:
        return None
    return next((one for one in recipe.objects if not one.prompts), None)


def not_found(facts: EngineFacts) -> str:
    """What is said of a frame on which the matter found none, with what it looks for."""
    return f"no subject was found ({facts.name} looks for {facts.subject})"


def check_subject(shot: Shot) -> None:
    """Refuse a recipe whose matter does not find subjects.

    Raises:
        RecipeError: an object has no prompts, and the matter needs a trimap.
    """
    spec = shot.engines.get(Role.MATTER)
    if subject_of(shot.recipe) is None or (spec is not None and spec.facts.finds_subject):
        return
    name = "none" if spec is None else spec.facts.name
    wrong = Violation(
        "objects[0].prompts", "no prompts", f"a prompt, as the matter {name!r} finds no subject"
    )
    raise RecipeError(str(wrong), violations=(wrong,))


class SubjectMatting:
    """Mattes of the subject.

    A frame is held against its neighbours, and what only it shows or lacks is flicker. So the
    frames before and after are looked at too, whether or not they are to be delivered.

    Args:
        frames: that the plate has, ascending.
        matting_of: how a frame is matted.
        turn: takes the device for one frame.
        recall: what the matter found on a frame: from an earlier job, or by looking.
    """

    def __init__(
        self,
        shot: Shot,
        subject: pb.RotoObject,
        matter: Matter,
        frames: Sequence[int],
        matting_of: Callable[[int], FrameMatting],
        turn: Callable[[], AbstractContextManager[object]],
        recall: Callable[[int, Callable[[int], MatteResult]], MatteResult],
    ) -> None:
        self._shot = shot
        self._id = subject.id
        self._matter = matter
        self._frames = list(frames)
        self._matting_of = matting_of
        self._turn = turn
        self._recall = recall
        self._raw: dict[int, MatteResult] = {}

    def at(self, frame: int) -> tuple[dict[int, Tracked], dict[int, ObjectAlpha]]:
        """Mask and alpha of one frame by object id; empty, with low confidence, where there is
        no subject."""
        place = self._frames.index(frame)
        around = self._frames[max(0, place - 1) : place + 2]
        self._raw = {one: self._raw.get(one) or self._recall(one, self._look) for one in around}
        now = self._raw[frame]
        alpha, confidence = now.alpha, now.confidence
        if len(around) == 3:
            before, after = self._raw[around[0]], self._raw[around[2]]
            alpha = without_flicker(before.alpha, alpha, after.alpha)
            confidence = max(confidence, min(before.confidence, after.confidence))
        made = self._matting_of(frame).from_subject(alpha)
        return {self._id: Tracked(made.alpha, confidence)}, {self._id: made}

    def _look(self, frame: int) -> MatteResult:
        seed = seed_for(self._shot.seed, "matte", frame, self._id)
        with self._turn():
            return self._matting_of(frame).subject(self._matter, seed=seed)
