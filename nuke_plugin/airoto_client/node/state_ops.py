"""What an artist can do to a state: pure functions, each gives a new state.

All raise `BadRequestError` where what they name is not there or not allowed, and leave
nothing half done.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Callable

from airoto.errors import BadRequestError
from airoto_client.node.state import Box, Lock, Point, Prompt, RotoObject, State

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
# Given to objects in turn.
PALETTE = ("#ff9a3c", "#3cb4ff", "#7dff5a", "#ff5ad2", "#ffe83c", "#9b6bff", "#3cffd0", "#ff4b4b")


def palette(index: int) -> str:
    """The colour that the object of that number, from 0, is given."""
    return PALETTE[index % len(PALETTE)]


def add_object(state: State, name: str = "", colour: str = "") -> State:
    """A new object, which becomes the current one; names and colours are found if empty."""
    number = max((one.id for one in state.objects), default=0) + 1
    taken = {one.name.lower() for one in state.objects}
    if not name:
        free = number
        while f"object{free}" in taken:
            free += 1
        name = f"object{free}"
    _check_name(state, name, 0)
    colour = colour or palette(number - 1)
    made = RotoObject(number, name, _checked_colour(colour))
    return replace(state, objects=(*state.objects, made), current=number)


def remove_object(state: State, object_id: int) -> State:
    """Without that object and its prompts."""
    state.object(object_id)
    left = tuple(one for one in state.objects if one.id != object_id)
    current = state.current
    if current == object_id:
        current = left[-1].id if left else 0
    return replace(state, objects=left, current=current)


def select_object(state: State, object_id: int) -> State:
    """Clicks go to that object."""
    return replace(state, current=state.object(object_id).id)


def rename_object(state: State, object_id: int, name: str) -> State:
    """Another name, and so another layer."""
    _check_name(state, name, object_id)
    return _with_object(state, object_id, lambda one: replace(one, name=name))


def recolour_object(state: State, object_id: int, colour: str) -> State:
    """Another colour in overlays."""
    return _with_object(state, object_id, lambda one: replace(one, colour=_checked_colour(colour)))


def group_object(state: State, object_id: int, group: str) -> State:
    """Objects of one group are tracked together and compete for pixels."""
    return _with_object(state, object_id, lambda one: replace(one, group=group))


def add_point(state: State, frame: int, x: float, y: float, *, positive: bool = True) -> State:
    """A click on the current object; the first one makes an object."""
    state = _with_current(state)

    def added(prompt: Prompt) -> Prompt:
        return replace(prompt, points=(*prompt.points, Point(float(x), float(y), positive)))

    return _with_prompt(state, state.current, frame, added)


def move_point(state: State, frame: int, index: int, x: float, y: float) -> State:
    """Put a point of the current object elsewhere."""

    def moved(prompt: Prompt) -> Prompt:
        points = list(prompt.points)
        points[index] = replace(_point(prompt, index), x=float(x), y=float(y))
        return replace(prompt, points=tuple(points))

    return _with_prompt(state, state.current, frame, moved)


def flip_point(state: State, frame: int, index: int) -> State:
    """A point changes its sign."""

    def flipped(prompt: Prompt) -> Prompt:
        points = list(prompt.points)
        points[index] = replace(points[index], positive=not _point(prompt, index).positive)
        return replace(prompt, points=tuple(points))

    return _with_prompt(state, state.current, frame, flipped)


def delete_point(state: State, frame: int, index: int) -> State:
    """Without one point of the current object."""

    def fewer(prompt: Prompt) -> Prompt:
        _point(prompt, index)
        return replace(prompt, points=prompt.points[:index] + prompt.points[index + 1 :])

    return _with_prompt(state, state.current, frame, fewer)


def set_box(state: State, frame: int, box: Box | None) -> State:
    """The box of the current object on that frame; None takes it away."""
    if box is not None and not (box.x_min < box.x_max and box.y_min < box.y_max):
        raise BadRequestError("the box is empty", hint="drag out an area around the object")
    state = _with_current(state)
    return _with_prompt(state, state.current, frame, lambda p: replace(p, box=box))


def set_text(state: State, frame: int, text: str) -> State:
    """A phrase for engines that detect by text; empty takes it away."""
    state = _with_current(state)
    return _with_prompt(state, state.current, frame, lambda p: replace(p, text=text.strip()))


def set_mask(state: State, frame: int, path: str) -> State:
    """A drawn mask's file as the prompt of that frame; empty takes it away."""
    state = _with_current(state)
    return _with_prompt(
        state, state.current, frame, lambda p: replace(p, mask=path, image="", trimap=False)
    )


def choose_candidate(state: State, frame: int, candidate: int) -> State:
    """Take the segmenter's first, second or third mask; 0 leaves it to the score."""
    if not 0 <= candidate <= 3:
        raise BadRequestError(f"candidate {candidate}; allowed: 0 (best) to 3")
    if state.object(state.current).prompt(frame) is None:
        raise BadRequestError(f"the current object has no prompt on frame {frame}")
    return _with_prompt(state, state.current, frame, lambda p: replace(p, candidate=candidate))


def delete_prompt(state: State, frame: int) -> State:
    """The current object says nothing on that frame any more."""
    if state.object(state.current).prompt(frame) is None:
        raise BadRequestError(f"the current object has no prompt on frame {frame}")
    return _with_prompt(state, state.current, frame, lambda p: Prompt(p.frame))


def copy_prompt(state: State, source: int, target: int) -> State:
    """What the current object says on one frame, on another one too, in place of what it said."""
    prompt = state.object(state.current).prompt(source)
    if prompt is None:
        raise BadRequestError(f"the current object has no prompt on frame {source}")
    return _with_prompt(state, state.current, target, lambda p: replace(prompt, frame=target))


def lock_frame(state: State, frame: int, path: str, sha256: str = "") -> State:
    """Keep that file as the frame's matte, whatever is tracked later."""
    names = tuple(one.name for one in state.objects)
    others = tuple(one for one in state.locks if one.frame != frame)
    locks = sorted((*others, Lock(frame, path, names, sha256)), key=lambda one: one.frame)
    return replace(state, locks=tuple(locks))


def unlock_frame(state: State, frame: int) -> State:
    """The frame is made by tracking again."""
    if frame not in state.locked_frames:
        raise BadRequestError(f"frame {frame} is not locked")
    return replace(state, locks=tuple(one for one in state.locks if one.frame != frame))


def next_key(state: State, frame: int) -> int | None:
    """The nearest later frame with a prompt, or None."""
    return next((one for one in state.prompted_frames if one > frame), None)


def previous_key(state: State, frame: int) -> int | None:
    """The nearest earlier frame with a prompt, or None."""
    return next((one for one in reversed(state.prompted_frames) if one < frame), None)


def _with_current(state: State) -> State:
    return state if any(one.id == state.current for one in state.objects) else add_object(state)


def _with_object(state: State, object_id: int, change: Callable[[RotoObject], RotoObject]) -> State:
    state.object(object_id)
    objects = tuple(change(one) if one.id == object_id else one for one in state.objects)
    return replace(state, objects=objects)


def _with_prompt(
    state: State, object_id: int, frame: int, change: Callable[[Prompt], Prompt]
) -> State:
    def changed(one: RotoObject) -> RotoObject:
        made = change(one.prompt(frame) or Prompt(frame))
        others = [prompt for prompt in one.prompts if prompt.frame != frame]
        if not made.is_empty:
            others.append(made)
        return replace(one, prompts=tuple(sorted(others, key=lambda prompt: prompt.frame)))

    return _with_object(state, object_id, changed)


def _point(prompt: Prompt, index: int) -> Point:
    if not 0 <= index < len(prompt.points):
        raise BadRequestError(f"frame {prompt.frame} has no point {index + 1}")
    return prompt.points[index]


def _check_name(state: State, name: str, own_id: int) -> None:
    if not _NAME.fullmatch(name):
        raise BadRequestError(
            f"{name!r} is no name of an object: 1 to 64 letters A-Z a-z, digits and _, "
            "no digit first"
        )
    for one in state.objects:
        if one.id != own_id and one.name.lower() == name.lower():
            raise BadRequestError(f"there is an object {one.name!r} already, whatever the case")


def _checked_colour(colour: str) -> str:
    if not _COLOUR.fullmatch(colour):
        raise BadRequestError(f"{colour!r} is no colour; write #rrggbb")
    return colour
