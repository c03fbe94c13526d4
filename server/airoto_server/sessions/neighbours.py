"""Frames beside those before and after them, on their way from masks to mattes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Generic, TypeVar

from airoto_server.engines.roles import Tracked
from airoto_server.ops.geometry import Window
from airoto_server.ops.motion import Look, Motion
from airoto_server.ops.part import Part
from airoto_server.ops.trails import Trail, follow
from airoto_server.sessions.matting import FrameMatting

Masks = Mapping[int, Tracked]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What every stage knows of a frame; objects go by id.

    Attributes:
        beside: whether the frame before it in the stream is the one before it in time.
        trimaps: over the output window.
    """

    frame: int
    masks: Masks
    matting: FrameMatting
    beside: bool
    trimaps: Mapping[int, Part]


@dataclass(frozen=True, kw_only=True)
class Seen(Known):
    """A frame whose masks are known, with its own trimaps.

    Attributes:
        back: motion to the frame before around each object, so that no object's matte hangs on
            the others; empty where that frame is not beside it.
        near: the look pixels in which each object's edges are looked at.
        small_trimaps, small_masks: at the look's pixels, around those; no mask of an object whose
            trimap somebody painted.
    """

    look: Look
    back: Mapping[int, Motion]
    near: Mapping[int, Window]
    small_trimaps: Mapping[int, Part]
    small_masks: Mapping[int, Part]


@dataclass(frozen=True, kw_only=True)
class Solved(Known):
    """A frame that the matter answered, with steady trimaps.

    Attributes:
        alphas: raw; none where the matter was not asked.
        comparable: the alphas as neighbours are averaged with.
        trails: to the frames around it, by object, then frame; as many as alphas.
    """

    alphas: Mapping[int, Part]
    comparable: Mapping[int, Part]
    trails: Mapping[int, Mapping[int, Trail]]


K = TypeVar("K", bound=Known)


@dataclass(frozen=True)
class Neighbours(Generic[K]):
    """A frame and those around it that are neighbours in time without a gap.

    Attributes:
        before, after: nearest first.
    """

    before: Sequence[K]
    one: K
    after: Sequence[K]

    @classmethod
    def cut(cls, before: Sequence[K], one: K, after: Sequence[K]) -> Neighbours[K]:
        """Of frames in the order of time, up to the first gap on either side."""
        nearest = [one, *reversed(before)]
        earlier = takewhile(lambda pair: pair[0].beside, pairwise(nearest))
        later = takewhile(lambda other: other.beside, after)
        return cls([pair[1] for pair in earlier], one, list(later))

    @property
    def others(self) -> list[K]:
        """The other frames."""
        return [*self.before, *self.after]

    def motions(self: Neighbours[Seen], name: int) -> list[Motion]:
        """From the frame to those beside it, around an object."""
        return [*self._back(name)[:1], *self._ahead(name)[:1]]

    def trails(self: Neighbours[Seen], name: int) -> list[Trail]:
        """Where an object's edges lie in each of the other frames."""
        found: list[Trail] = []
        for others, motions in (
            (self.before, self._back(name)),
            (self.after, self._ahead(name)),
        ):
            looks = [self.one.look, *(other.look for other in others)]
            found += follow(self.one.near[name], looks, motions)
        return found

    def _back(self: Neighbours[Seen], name: int) -> list[Motion]:
        run = [self.one, *self.before][: len(self.before)]
        return [seen.back[name] for seen in run]

    def _ahead(self: Neighbours[Seen], name: int) -> list[Motion]:
        return [seen.back[name].reversed for seen in self.after]


def with_neighbours(items: Iterator[K], radius: int) -> Generator[Neighbours[K], None, None]:
    """Every item with up to `radius` before and after it; holds no more than that."""
    before: deque[K] = deque(maxlen=radius)
    held: deque[K] = deque()
    for item in items:
        held.append(item)
        if len(held) > radius:
            yield Neighbours.cut(tuple(before), held[0], tuple(held)[1:])
            before.append(held.popleft())
    while held:
        yield Neighbours.cut(tuple(before), held[0], tuple(held)[1:])
        before.append(held.popleft())
