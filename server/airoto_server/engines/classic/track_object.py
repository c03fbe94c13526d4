"""One object of the classic tracker: what is known of it, and where it seems to be now."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_camera, track_prior
from airoto_server.engines.classic.shapes import signed_distance
from airoto_server.engines.classic.track_camera import Camera
from airoto_server.engines.classic.track_examples import Examples
from airoto_server.engines.classic.track_frame import Frame
from airoto_server.engines.classic.track_grid import Grid, places_of
from airoto_server.engines.classic.track_motion import Motion, carry
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
# Log-odds of what lies out of reach.
NOWHERE = np.float32(-20.0)


@dataclass(frozen=True)
class Guess:
    """What the evidence says about one object on one frame.

    Attributes:
        carried: (h, w) bool, the mask of the frame before, carried along.
        region: rows and columns within which the object may be.
        odds: (h, w) float32, log-odds; `NOWHERE` outside the region.
    """

    carried: Bool
    region: Region
    odds: Plane


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

    def learn_keyframe(self, frame: Frame, mask: Plane, index: int) -> None:
        """Learn what the object looks like from a drawn mask (h, w) float32."""
        inside = mask > 0.5
        self._learn(frame, inside, index, keyframe=True)
        if self.settings.trees:
            self.trees = self.examples.fit(seed=seed_for(self.seed, "trees", index, self.number))
            self.frames_since_fit = 0

    def learn_answer(self, frame: Frame, mask: Plane, index: int) -> None:
        """Learn from an answer of our own."""
        if not self.settings.update:
            return
        self.frames_since_fit += 1
        refit = self.frames_since_fit >= _REFIT
        self._learn(frame, mask > 0.5, index, keyframe=False, sample=refit)
        if refit and self.settings.trees:
            self.trees = self.examples.fit(seed=seed_for(self.seed, "trees", index, self.number))
            self.frames_since_fit = 0

    def guess(self, frame: Frame, motion: Motion, camera: Camera, unlike: Plane | None) -> Guess:
        """Weigh the evidence on the next frame.

        Args:
            unlike: log-odds (h, w) that a pixel is not remembered background, or None.
        """
        assert self.mask is not None
        distance = carry(signed_distance(self.mask > 0.5), motion.to_previous)
        carried = distance > 0
        odds = np.full(frame.shape, NOWHERE)
        reach = track_prior.reach_of(float(carried.sum()))
        region = region_of(distance > -2 * reach)
        if not carried.any():
            return Guess(carried, region, odds)
        odds[region] = self._evidence(frame, motion, camera, unlike, distance, region)
        return Guess(carried, region, odds)

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        held = self.grid.memory_bytes() + self.examples.memory_bytes()
        held += 0 if self.mask is None else self.mask.nbytes
        return held + (0 if self.trees is None else self.trees.memory_bytes())

    def _evidence(
        self,
        frame: Frame,
        motion: Motion,
        camera: Camera,
        unlike: Plane | None,
        distance: Plane,
        region: Region,
    ) -> Plane:
        settings, near = self.settings, distance[region]
        carried = near > 0
        odds = track_prior.far_penalty(near, track_prior.reach_of(float(carried.sum())))
        if settings.prior:
            odds += track_prior.log_odds(near, motion.trust[region])
        if settings.motion:
            odds += track_camera.log_odds(camera.still[region], carried)
        if unlike is not None:
            odds += unlike[region]
        if settings.trees and self.trees is not None:
            odds += self.trees.log_odds(frame.features[:, *region])
        if settings.grid:
            places = places_of(frame.lab, *region, box_of(distance > 0))
            odds += self.grid.log_ratio(places).reshape(near.shape)
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
            places = places_of(frame.lab, *region, box_of(inside))
            self.grid.learn(
                places,
                core[region].ravel().astype(np.float32),
                near[region].ravel().astype(np.float32),
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
