"""Masks of a run of frames to their mattes, held steady over time.

A matte depends on the masks and pictures of the frames up to `TRIMAP_RADIUS + ALPHA_RADIUS`
steps around it, and on nothing else: the shot may be made in one go, in chunks, or only where
files are missing, with the same bits. Frames flow through as a stream, and only that window of
them is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from airoto_server.engines.roles import Matter, Trimap
from airoto_server.ops.geometry import Window
from airoto_server.ops.grid import Grid
from airoto_server.ops.motion import Look, Motion, look_size
from airoto_server.ops.nonzero import box_of
from airoto_server.ops.parallel import ordered_map
from airoto_server.ops.part import Part
from airoto_server.ops.seeds import seed_for
from airoto_server.ops.steady_alpha import ALPHA_RADIUS, Neighbour, comparable, steady_alpha
from airoto_server.ops.steady_trimap import (
    TRIMAP_RADIUS,
    disputed,
    motion_reach,
    widened_pixels,
    with_unknown,
)
from airoto_server.ops.trails import Trail
from airoto_server.ops.trimap import UNKNOWN, edge_pixels
from airoto_server.scheduler.lane import Turn
from airoto_server.sessions.matting import FrameMatting, ObjectAlpha
from airoto_server.sessions.neighbours import Masks, Neighbours, Seen, Solved, with_neighbours
from airoto_server.sessions.pipeline import overlapped
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.surroundings import Surroundings

Made = TypeVar("Made")

# Frames whose trimaps and motion may wait for the matter.
_SEEN_AHEAD = 1


@dataclass(frozen=True)
class FrameMattes:
    """One frame's answer, by object id."""

    frame: int
    masks: Masks
    alphas: Mapping[int, ObjectAlpha]
    matting: FrameMatting


class MatteStage:
    """The matte stage of one job.

    Attributes:
        to_track: frames whose masks are needed, ascending: those of `todo` and around them.
        to_matte: frames that the matter is needed for.

    Args:
        todo: frames to answer, ascending.
        surroundings: of the shot's frames.
        painted: the trimap that was painted for an object on a frame, if there is one.
        drawn: whether an object's mask on a frame was drawn by hand.
        turn: takes the device for one piece of work.
        unit: times a piece of work that counts as so many frames.
        matting: how a frame is matted.
        answered: told of each frame whose mattes were made.
    """

    def __init__(
        self,
        shot: Shot,
        todo: Sequence[int],
        *,
        surroundings: Surroundings,
        painted: Callable[[int, int], Trimap | None],
        drawn: Callable[[int, int], bool],
        turn: Callable[[], AbstractContextManager[Turn]],
        unit: Callable[[int], AbstractContextManager[None]],
        matting: Callable[[int], FrameMatting],
        answered: Callable[[int], None],
    ) -> None:
        self._shot = shot
        self._todo = frozenset(todo)
        self._painted = painted
        self._drawn = drawn
        self._turn = turn
        self._unit = unit
        self._matting = matting
        self._answered = answered
        working = shot.working
        high, wide = look_size(working.height, working.width)
        self._frame = Window.sized(wide, high)
        self._grid = Grid.of(working, shot.window, shot.scale).resized(
            wide / working.width, high / working.height
        )
        self._widest = math.ceil(shot.rules.wide) + 1
        # Distances are measured on the look, whose pixels are square.
        self._look_rules = shot.rules.scaled(max(self._grid.scale))
        # The deepest places around a widened band decide what stays known in it.
        self._around = 2 * math.ceil(self._look_rules.wide) + 2
        self._place = surroundings.place
        self._steady = surroundings.steady
        self.to_matte = surroundings.to_matte(todo)
        self.to_track = surroundings.to_track(todo)

    def run(
        self, tracked: Iterator[tuple[int, Masks]], matter: Matter | None
    ) -> Generator[FrameMattes, None, None]:
        """Answers in the order of `todo`, from the masks of `to_track`; close it if left early."""
        if matter is None or not self._steady:
            for frame, masks in tracked:
                yield self._alone(frame, masks, matter)
            return
        # The matter has a thread to itself: what needs none of its answers is done ahead of it.
        with (
            closing(overlapped(self._all_seen(tracked), _SEEN_AHEAD, "airoto-trimap")) as seen,
            closing(self._all_solved(seen, matter)) as solved,
        ):
            for around in with_neighbours(solved, ALPHA_RADIUS):
                if around.one.frame in self._todo:
                    yield self._finished(around)

    # ---- one frame for itself -----------------------------------------------------

    def _alone(self, frame: int, masks: Masks, matter: Matter | None) -> FrameMattes:
        with self._unit(1):
            matting = self._matting(frame)
            if matter is None:

                def alpha_of(name: int) -> ObjectAlpha:
                    mask = masks[name].mask
                    drawn = self._drawn(name, frame)
                    return matting.as_drawn(mask) if drawn else matting.alpha(mask)

                alphas = self._each(masks, alpha_of)
            else:
                alphas = self._matted(frame, masks, matting, matter)
        self._answered(frame)
        return FrameMattes(frame, masks, alphas, matting)

    def _matted(
        self, frame: int, masks: Masks, matting: FrameMatting, matter: Matter
    ) -> dict[int, ObjectAlpha]:
        painted = {name: self._painted(name, frame) for name in masks}

        def trimap_of(name: int) -> Part:
            given = painted[name]
            return matting.band(masks[name].mask)[0] if given is None else Part.of(given)

        alphas = {}
        for name, trimap in self._each(masks, trimap_of).items():
            with self._turn() as turn:
                seed = self._seed(frame, name)
                alphas[name] = matting.from_trimap(trimap, matter, seed=seed, pause=turn)
        return alphas

    def _each(self, names: Iterable[int], make: Callable[[int], Made]) -> dict[int, Made]:
        """What the processor makes for each object, side by side; the device is not held."""
        order = sorted(names)
        return dict(zip(order, ordered_map(make, order, self._shot.threads), strict=True))

    def _seed(self, frame: int, object_id: int) -> int:
        return seed_for(self._shot.seed, "matte", frame, object_id)

    # ---- frames among others --------------------------------------------------------

    def _all_seen(self, tracked: Iterator[tuple[int, Masks]]) -> Generator[Seen, None, None]:
        last: Seen | None = None
        for frame, masks in tracked:
            with self._unit(0):
                last = self._seen(frame, masks, last)
            yield last

    def _seen(self, frame: int, masks: Masks, last: Seen | None) -> Seen:
        matting = self._matting(frame)
        look = Look(self._shot.frames.picture(frame))
        painted = {name: self._painted(name, frame) for name in sorted(masks)}
        beside = last is not None and self._place[frame] == self._place[last.frame] + 1

        # Objects are worked on side by side; only a single one leaves threads to its own parts.
        threads = self._shot.threads if len(masks) == 1 else 1

        def see(name: int) -> tuple[Part, Window, Part, Part | None, Motion | None]:
            given, mask, motion = painted[name], None, None
            if given is None:
                trimap, cleaned = matting.band(masks[name].mask)
            else:
                trimap, cleaned = Part.of(given), None
            near = self._looked_at(trimap)
            around = near.grown(self._around).intersect(self._frame)
            if cleaned is not None:
                mask = Part(around, self._grid.seen(cleaned, around))
            if last is not None and beside:
                window = near.union(last.near[name])
                motion = Motion.between(look, last.look, window, threads)
            return trimap, near, Part(around, self._grid.seen(trimap, around)), mask, motion

        seen = self._each(masks, see)
        return Seen(
            frame=frame,
            masks=masks,
            matting=matting,
            beside=beside,
            look=look,
            back={name: one[4] for name, one in seen.items() if one[4]},
            trimaps={name: one[0] for name, one in seen.items()},
            near={name: one[1] for name, one in seen.items()},
            small_trimaps={name: one[2] for name, one in seen.items()},
            small_masks={name: one[3] for name, one in seen.items() if one[3]},
        )

    def _looked_at(self, trimap: Part) -> Window:
        """The look pixels of a trimap's band, and of any that it may be widened to."""
        band = box_of((trimap.values > 0) & (trimap.values < 1))
        if band.is_empty:
            return band
        band = band.shifted(trimap.window.x_min, trimap.window.y_min)
        return self._grid.picture(band.grown(self._widest)).intersect(self._frame)

    def _all_solved(self, seen: Iterator[Seen], matter: Matter) -> Generator[Solved, None, None]:
        asked = frozenset(self.to_matte)
        for around in with_neighbours(seen, TRIMAP_RADIUS):
            one = around.one
            trimaps, alphas, trails = dict(one.trimaps), {}, {}
            if one.frame in asked:
                with self._unit(1):
                    found = self._each(one.masks, partial(self._steady_trimap, around))
                    for name, (trimap, by_frame) in found.items():
                        trimaps[name], trails[name] = trimap, by_frame
                        with self._turn() as turn:
                            seed = self._seed(one.frame, name)
                            alphas[name] = one.matting.solved(trimap, matter, seed=seed, pause=turn)
                self._answered(one.frame)
            yield Solved(
                frame=one.frame,
                masks=one.masks,
                matting=one.matting,
                beside=one.beside,
                trimaps=trimaps,
                alphas=alphas,
                comparable={
                    name: comparable(alpha, trimaps[name], self._grid.shape)
                    for name, alpha in alphas.items()
                },
                trails=trails,
            )

    def _steady_trimap(
        self, around: Neighbours[Seen], name: int
    ) -> tuple[Part, Mapping[int, Trail]]:
        """The object's trimap, wider where its edge moves or its neighbours say otherwise, and
        where its edges lie in those."""
        one, rules = around.one, self._look_rules
        trails = around.trails(name)
        by_frame = {other.frame: trail for other, trail in zip(around.others, trails, strict=True)}
        own, mask = one.trimaps[name], one.small_masks.get(name)
        # A band that was painted, or asked for at a fixed width, is left as it is.
        if mask is None or mask.window.is_empty or not rules.adaptive:
            return own, by_frame
        trimap = one.small_trimaps[name]
        neighbours = [
            (other.small_trimaps[name], trail)
            for other, trail in zip(around.others, trails, strict=True)
        ]
        wider = trimap.values.copy()
        wider[disputed(trimap, neighbours, one.near[name]) & rules.disputed(mask.values)] = UNKNOWN
        edge = edge_pixels(mask.values)
        reach = motion_reach(mask, around.motions(name))
        wider = rules.widened(wider, edge, reach[edge])
        wider = rules.with_cores(wider, trimap.values, mask.values)
        whole = Window.sized(self._grid.shape[1], self._grid.shape[0])
        area = own.window.grown(self._widest).intersect(whole)
        made = with_unknown(
            Part(area, own.over(area)),
            widened_pixels(trimap.values, wider),
            trimap.window,
            self._grid,
        )
        return Part.of(made.values).shifted(area.x_min, area.y_min), by_frame

    def _finished(self, around: Neighbours[Solved]) -> FrameMattes:
        one = around.one

        def finish(name: int) -> ObjectAlpha:
            return one.matting.finished(self._steady_alpha(around, name), one.trimaps[name])

        with self._unit(0):
            alphas = self._each(one.alphas, finish)
        return FrameMattes(one.frame, one.masks, alphas, one.matting)

    def _steady_alpha(self, around: Neighbours[Solved], name: int) -> Part:
        """The object's alpha over the window of its trimap, averaged along the motion."""
        one, trimap = around.one, around.one.trimaps[name]
        neighbours = [
            Neighbour(other.comparable[name], one.trails[name][other.frame])
            for other in around.others
        ]
        unknown = (trimap.values > 0) & (trimap.values < 1)
        strength = self._shot.rules.stability
        return steady_alpha(one.alphas[name], unknown, neighbours, self._grid, strength)
