"""Mattes that are in the cache, and the stage that makes the others.

Frames flow through in order. Where a matte is missing, a stage begins with that frame and goes
on as long as mattes are missing; the masks around it that the stage needs are still at hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from airoto_server.engines.roles import Matter, Tracked
from airoto_server.ops.part import Part
from airoto_server.sessions.cache import ShotCache
from airoto_server.sessions.cache_keys import ShotKeys
from airoto_server.sessions.masks import mask_digest, quantised
from airoto_server.sessions.mattes import FrameMattes
from airoto_server.sessions.matting import ObjectAlpha
from airoto_server.sessions.surroundings import Surroundings

Masks = Mapping[int, Tracked]
Run = Callable[[Iterator[tuple[int, Masks]], Matter | None], Generator[FrameMattes, None, None]]


@dataclass(frozen=True)
class Answer:
    """A frame's mattes by object, as they come out of the cache, and their keys."""

    frame: int
    masks: Masks
    alphas: Mapping[int, ObjectAlpha]
    keys: Mapping[int, str]
    kept: bool


class KeptMattes:
    """The mattes of one job.

    Args:
        shape: height and width of an alpha.
        stage: gives what makes the mattes of these frames.
    """

    def __init__(
        self,
        cache: ShotCache,
        keys: ShotKeys,
        surroundings: Surroundings,
        shape: tuple[int, int],
        stage: Callable[[Sequence[int]], Run],
        matter: Matter | None,
    ) -> None:
        self._cache = cache
        self._keys = keys
        self._surroundings = surroundings
        self._shape = shape
        self._stage = stage
        self._matter = matter

    def run(
        self, todo: Sequence[int], tracked: Iterator[tuple[int, Masks]]
    ) -> Generator[Answer, None, None]:
        """Answers in the order of `todo`, from the masks around them; close it if left early."""
        window = _MaskWindow(tracked, self._surroundings)
        going: Generator[FrameMattes, None, None] | None = None
        try:
            for index, frame in enumerate(todo):
                masks = window.at(frame)
                keys = self._keys_of(frame, window)
                kept = {name: self._cache.alpha(key, self._shape) for name, key in keys.items()}
                alphas = {name: one for name, one in kept.items() if one is not None}
                if len(alphas) == len(kept):
                    if going is not None:
                        going.close()
                        going = None
                    yield Answer(frame, masks, alphas, keys, kept=True)
                    continue
                if going is None:
                    rest = todo[index:]
                    feed = window.feed(self._surroundings.to_track(rest))
                    going = self._stage(rest)(feed, self._matter)
                made = next(going)
                assert made.frame == frame
                # As they would come back from the cache.
                alphas = {
                    name: replace(one, part=Part(one.part.window, quantised(one.part.values)))
                    for name, one in made.alphas.items()
                }
                yield Answer(frame, masks, alphas, keys, kept=False)
        finally:
            if going is not None:
                going.close()

    def keep(self, answer: Answer) -> None:
        """Put a frame's mattes into the cache."""
        for name, alpha in answer.alphas.items():
            self._cache.keep_alpha(answer.keys[name], alpha)

    def _keys_of(self, frame: int, window: _MaskWindow) -> dict[int, str]:
        around = self._surroundings.to_track([frame])
        digests = {one: window.digests(one) for one in around}
        return {
            name: self._keys.matte(name, frame, {one: digests[one].get(name, "") for one in around})
            for name in digests[frame]
        }


class _MaskWindow:
    """The masks of a stream of frames, as far back as they may be needed again.

    For two threads: who reads a feed is ahead of who asks for frames.
    """

    def __init__(self, tracked: Iterator[tuple[int, Masks]], surroundings: Surroundings) -> None:
        self._tracked = tracked
        self._surroundings = surroundings
        self._masks: dict[int, Masks] = {}
        self._digests: dict[int, dict[int, str]] = {}
        self._lock = threading.Lock()

    def at(self, frame: int) -> Masks:
        """The masks of a frame; those before it and around it stay at hand."""
        first = self._surroundings.to_track([frame])[0]
        with self._lock:
            for old in [one for one in self._masks if one < first]:
                del self._masks[old]
                self._digests.pop(old, None)
        return self._pulled(frame)

    def digests(self, frame: int) -> dict[int, str]:
        """Digests of a frame's masks, by object."""
        if frame not in self._digests:
            masks = self._pulled(frame)
            self._digests[frame] = {name: mask_digest(one.mask) for name, one in masks.items()}
        return self._digests[frame]

    def feed(self, frames: Sequence[int]) -> Generator[tuple[int, Masks], None, None]:
        """The masks of these frames, the first of which are at hand."""
        for frame in frames:
            yield frame, self._pulled(frame)

    def _pulled(self, frame: int) -> Masks:
        with self._lock:
            while frame not in self._masks:
                at, masks = next(self._tracked)
                self._masks[at] = masks
            return self._masks[frame]
