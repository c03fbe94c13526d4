"""What of a shot can be tracked apart: groups of objects, and segments between keyframes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airoto.wire.messages import Direction, MemoryMode, Recipe


@dataclass(frozen=True)
class Segment:
    """Frames of a group that are tracked in one go; both ends inclusive."""

    group: str
    first: int
    last: int


def has_masks(recipe: Recipe) -> bool:
    """Whether mattes are pulled from tracked masks; not where the matter finds its subject."""
    return bool(recipe.locked) or all(one.prompts for one in recipe.objects)


def segments(recipe: Recipe) -> list[Segment]:
    """The segments of all groups, by group and frame; together they hold every frame.

    Memory mode `segment`: they part at keyframes, on which every object of the group is
    prompted: an object that is not is carried on into the next pass, so its neighbours stay in
    one segment. Memory mode `shot`: one for each group.

    Args:
        recipe: valid.
    """
    first, last = recipe.plate.frames.first, recipe.plate.frames.last
    made: list[Segment] = []
    for group, keys in sorted(_groups(recipe).items()):
        whole = recipe.track.memory_mode == MemoryMode.MEMORY_MODE_SHOT
        cuts = [] if whole else _cuts(keys, recipe.track.direction)
        begin = first
        for cut in cuts:
            # A keyframe ends its segment; one on the first frame would be alone in it.
            if begin < cut < last:
                made.append(Segment(group, begin, cut))
                begin = cut + 1
        made.append(Segment(group, begin, last))
    return made


def _groups(recipe: Recipe) -> dict[str, list[Sequence[int]]]:
    """Keyframes of each object, ascending, by group."""
    locked = {one.frame for one in recipe.locked}
    found: dict[str, list[Sequence[int]]] = {}
    for one in recipe.objects:
        own = {prompt.frame for prompt in one.prompts} | locked
        found.setdefault(one.group, []).append(sorted(own))
    if recipe.detect.text:
        # What will be found joins the objects that are in no group of their own.
        found.setdefault("", []).append(sorted({recipe.detect.frame} | locked))
    return found


def _cuts(keys: Sequence[Sequence[int]], direction: int) -> list[int]:
    """Keyframes on which no object is carried from one pass into the next."""
    forward = direction != Direction.DIRECTION_BACKWARD
    backward = direction != Direction.DIRECTION_FORWARD

    def carried(own: Sequence[int], at: int) -> bool:
        begun = (forward and own[0] < at) or (backward and own[-1] > at)
        return at not in own and begun

    bounds = sorted({key for own in keys for key in own})
    return [at for at in bounds if not any(carried(own, at) for own in keys if own)]


def chunks(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """Frames `first` to `last` in chunks of `size`, both ends of each inclusive."""
    return [(at, min(at + size - 1, last)) for at in range(first, last + 1, size)]


def named(found: Sequence[Segment]) -> Mapping[Segment, str]:
    """A name for each segment that a file may have: `hero.1001-1040`."""
    words: dict[str, str] = {}
    for group in dict.fromkeys(one.group for one in found):
        word = "".join(c if c.isascii() and c.isalnum() else "_" for c in group)[:24]
        word = word or "objects"
        if word in words.values():
            word += f"+{len(words) + 1}"
        words[group] = word
    return {
        one: f"{words[one.group]}.{frame_word(one.first)}-{frame_word(one.last)}" for one in found
    }


def frame_word(frame: int) -> str:
    """A frame's number in a file's name, which does not begin with a dash."""
    return f"n{-frame}" if frame < 0 else str(frame)
