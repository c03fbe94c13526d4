"""One object of the classic tracker: what is known of it, and where it seems to be now."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_camera, track_prior, track_search
from airoto_server.engines.classic.shapes import signed_distance
from airoto_server.engines.classic.track_camera import Camera
from airoto_server.engines.classic.track_confidence import expected_overlap
from airoto_server.engines.classic.track_examples import Examples
from airoto_server.engines.classic.track_frame import Frame
from airoto_server.engines.classic.track_grid import Grid, places_of
from airoto_server.engines.classic.track_motion import Motion, carry
from airoto_server.engines.classic.track_search import Sighting
from airoto_server.engines.classic.track_settings import Settings
from airoto_server.engines.classic.track_trees import Trees
from airoto_server.ops.seeds import seed_for

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Region = tuple[slice, slice]

# The trees are fitted again after so many answered frames.
_REFIT = 5
# Pixels from the boundary from which an answered frame is learnt from, and a keyframe.
_SURE_ANSWER, _SURE_KEYFRAME = 3.0, 1.0
# Of an answered frame, the grid learns from every so many rows and columns.
_THINNED = 2
# An answer of fewer pixels, or with less of the usual area, or that looks less like what was
# seen before, is none; one that does not look better than the other is not learnt from.
_FEWEST, _LOST_AREA, _LOST, _WELL = 8.0, 0.1, 0.5, 0.7
# How fast what is known of the object's motion follows that of the last frame.
_MOVING_RATE = 0.3
# Part of a doubted mask that has to look like the object for its motion to be that.
_MOSTLY = 0.5
# How much the place where a search found something is worth.
_TRUST_IN_SEARCH = 0.3
# The object is looked for this many times as far away as it may well reach.
_REGION = 2.0
# What looks like an object by so much, while that is doubted or lost, may be it.
_LOOKALIKE = 1.0
# Log-odds of what lies out of reach.
NOWHERE = np.float32(-20.0)


@dataclass(frozen=True)
class Guess:
    """What the evidence says about one object on one frame.

    Attributes:
        carried: (h, w) bool, the mask of the frame before, carried along.
        region: rows and columns within which the object may be.
        odds: (h, w) float32, log-odds; `NOWHERE` outside the region.
        appearance: (h, w) float32, the part of them that does not depend on where the object
            was before; 0 outside the region.
    """

    carried: Bool
    region: Region
    odds: Plane
    appearance: Plane


@dataclass
class TrackedObject:
    """What is remembered of one object, at working size."""

    number: int
    settings: Settings
    seed: int
    grid: Grid = field(default_factory=Grid)
    examples: Examples = field(default_factory=Examples)
    trees: Trees | None = None
    mask: Plane | None = None
    frames_since_fit: int = 0
    last_seen: Sighting | None = None
    frames_unsure: int = 0
    moving: float = 0.0
    lookalike: Bool | None = None

    def begin(self, frame: Frame, mask: Plane, index: int) -> None:
        """Go on from a drawn mask (h, w) float32 of this frame."""
        self.mask = mask
        self.learn_keyframe(frame, mask, index)
        self.frames_unsure = 0
        inside = mask > 0.5
        if inside.any():
            odds = np.zeros(frame.shape, np.float32)
            if self.trees is not None:
                odds = self.trees.log_odds(frame.features)
            self.last_seen = Sighting.of(odds, inside)

    def learn_keyframe(self, frame: Frame, mask: Plane, index: int) -> None:
        """Learn what the object looks like from a drawn mask (h, w) float32."""
        inside = mask > 0.5
        self._learn(frame, inside, index, keyframe=True)
        if self.settings.trees:
            self.trees = self.examples.fit(seed=seed_for(self.seed, "trees", index, self.number))
            self.frames_since_fit = 0

    def learn_answer(self, frame: Frame, mask: Plane, index: int) -> None:
        """Learn from an answer of our own."""
        if not self.settings.update or self.frames_unsure:
            return
        self.frames_since_fit += 1
        refit = self.frames_since_fit >= _REFIT
        self._learn(frame, mask > 0.5, index, keyframe=False, sample=refit)
        if refit and self.settings.trees:
            self.trees = self.examples.fit(seed=seed_for(self.seed, "trees", index, self.number))
            self.frames_since_fit = 0

    def carried(self, motion: Motion) -> Bool:
        """Where the mask of the frame before is now, (h, w) bool."""
        assert self.mask is not None
        return carry(self.mask, motion.to_previous) > 0.5

    def guess(
        self, frame: Frame, motion: Motion, camera: Camera, unlike: Plane | None, others: Bool
    ) -> Guess:
        """Weigh the evidence on the next frame.

        Args:
            others: (h, w) bool, the masks of other objects on the frame before, carried along.
            unlike: log-odds (h, w) that a pixel is not remembered background, or None.
        """
        assert self.mask is not None
        distance = carry(signed_distance(self.mask > 0.5), motion.to_previous)
        trust = motion.trust
        self.lookalike = None
        if self.last_seen is not None and self.frames_unsure and self.settings.redetect:
            # Where it was, in the scene and not in the picture.
            self.last_seen = self.last_seen.panned(camera.to_previous)
            everywhere = (slice(0, frame.shape[0]), slice(0, frame.shape[1]))
            known = self._looks(frame, everywhere)
            self.lookalike = known > _LOOKALIKE
            looks = self._appearance(known, everywhere, camera, unlike, self.moving)
            found = track_search.find(
                looks, self.last_seen, self.frames_unsure, distance > 0, others
            )
            if found is not None:
                distance = signed_distance(found)
                trust = np.full(frame.shape, _TRUST_IN_SEARCH, np.float32)
        return self._weigh(frame, distance, trust, camera, unlike)

    def judge(self, guess: Guess, inside: Bool) -> float:
        """Confidence, 0 to 1, in an answer (h, w) bool, which may be found to be none.

        0 means that the object is lost; what is remembered of where it was is kept then.
        """
        area, last = float(inside.sum()), self.last_seen
        self.frames_unsure += 1
        if last is None or area < max(_FEWEST, _LOST_AREA * last.area):
            return 0.0
        health = last.health(guess.appearance, inside)
        if health < _LOST:
            return 0.0
        if health >= _WELL:
            self.last_seen = last.follow(Sighting.of(guess.appearance, inside))
            self.frames_unsure = 0
        region = guess.region
        return expected_overlap(guess.appearance[region], inside[region], guess.carried[region])

    def _weigh(
        self, frame: Frame, distance: Plane, trust: Plane, camera: Camera, unlike: Plane | None
    ) -> Guess:
        carried = distance > 0
        odds = np.full(frame.shape, NOWHERE)
        appearance = np.zeros(frame.shape, np.float32)
        reach = track_prior.reach_of(float(carried.sum()))
        region = region_of(distance > -_REGION * reach)
        if carried.any():
            near = distance[region]
            known = self._looks(frame, region)
            self._follow_motion(camera.still[region], carried[region], known)
            looks = self._appearance(known, region, camera, unlike, self.moving)
            places = track_prior.far_penalty(near, reach)
            if self.settings.prior:
                carried_odds = track_prior.log_odds(near, trust[region])
                places += np.float32(self.settings.prior) * carried_odds
            if self.settings.grid:
                cells = places_of(frame.lab, *region, box_of(carried))
                ratio = self.grid.log_ratio(cells).reshape(near.shape)
                places += np.float32(self.settings.grid) * ratio
            appearance[region] = looks
            odds[region] = looks + places
        return Guess(carried, region, odds, appearance)

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        held = self.grid.memory_bytes() + self.examples.memory_bytes()
        held += sum(one.nbytes for one in (self.mask, self.lookalike) if one is not None)
        return held + (0 if self.trees is None else self.trees.memory_bytes())

    def _looks(self, frame: Frame, region: Region) -> Plane:
        """Log-odds of a region from colour and texture alone."""
        if not self.settings.trees or self.trees is None:
            return np.zeros(frame.shape, np.float32)[region]
        known = self.trees.log_odds(frame.features[:, *region])
        return np.float32(self.settings.trees) * known

    def _follow_motion(self, still: Plane, carried: Bool, known: Plane) -> None:
        """Learn how much of the object moves, from where the carried mask looks like it.

        Where it does not, it may well lie on something else, which says nothing.
        """
        likely = carried / (1 + np.exp(-known))
        if not self.frames_unsure or float(likely.sum()) > _MOSTLY * float(carried.sum()):
            moving = track_camera.moving_share(still, likely)
            self.moving += _MOVING_RATE * (moving - self.moving)

    def _appearance(
        self, known: Plane, region: Region, camera: Camera, unlike: Plane | None, moving: float
    ) -> Plane:
        """Log-odds of a region from what does not depend on where the object was.

        Args:
            known: `_looks` of the region.
        """
        odds = known.copy()
        if self.settings.motion:
            apart = track_camera.log_odds(camera.still[region], moving)
            odds += np.float32(self.settings.motion) * apart
        if unlike is not None:
            odds += np.float32(self.settings.memory) * unlike[region]
        return odds

    def _learn(
        self, frame: Frame, inside: Bool, index: int, *, keyframe: bool, sample: bool = True
    ) -> None:
        if not inside.any():
            return
        distance = signed_distance(inside)
        sure = _SURE_KEYFRAME if keyframe else _SURE_ANSWER
        core = distance > sure
        if core.sum() < 16:
            core = inside
        reach = 3 * track_prior.reach_of(float(inside.sum()))
        near = (distance < -sure) & (distance > -reach)
        if self.settings.trees and sample:
            self.examples.learn(
                frame.features,
                core,
                near,
                distance <= -reach,
                keyframe=keyframe,
                seed=seed_for(self.seed, "examples", index, self.number),
            )
        if self.settings.grid:
            region = region_of(distance > -reach)
            # Every frame counts, but not every pixel of a frame that was answered.
            step = 1 if keyframe else _THINNED
            region = (
                slice(region[0].start, region[0].stop, step),
                slice(region[1].start, region[1].stop, step),
            )
            weight = np.float32(step * step)
            self.grid.learn(
                places_of(frame.lab, *region, box_of(inside)),
                core[region].ravel() * weight,
                near[region].ravel() * weight,
                keyframe=keyframe,
            )


def box_of(inside: Bool) -> tuple[float, float, float, float]:
    """x_min, y_min, x_max, y_max of a mask that is not empty."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1


def region_of(wanted: Bool) -> Region:
    """Rows and columns of the bounding box; of the whole frame, if nothing is wanted."""
    if not wanted.any():
        return slice(0, wanted.shape[0]), slice(0, wanted.shape[1])
    x_min, y_min, x_max, y_max = (int(side) for side in box_of(wanted))
    return slice(y_min, y_max), slice(x_min, x_max)
