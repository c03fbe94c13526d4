"""Prompts to masks by geodesic distance, colour models and a smooth cut; no weights.

The picture is worked on at a long side of at most 428 pixels. Prompts give each pixel a
first opinion at three scales; colour models and the classic tracker's trees, learnt from it,
sharpen it; the tracker's cut finds the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_cut, track_trees
from airoto_server.engines.classic.checks import check_picture
from airoto_server.engines.classic.colour_model import Bins, ColourModel, lab_bins
from airoto_server.engines.classic.evidence import CERTAIN, Clues, Evidence, candidates, mark
from airoto_server.engines.classic.geodesic import distance_from, rim
from airoto_server.engines.classic.prompts import Box, box_pixels, check_prompts, point_pixels
from airoto_server.engines.classic.quality import edge_strength, score
from airoto_server.engines.classic.resizing import enlarge_mask, shrink, small_shape
from airoto_server.engines.classic.shapes import fill_holes, keep_connected
from airoto_server.engines.classic.track_frame import features_of, lab_of
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import Candidate, EngineFacts, Mask, Picture, Prompts
from airoto_server.ops.parallel import limit_libraries, ordered_map
from airoto_server.ops.seeds import seed_for

_LONG_SIDE = 428
# Rounds of learning colours, and the colours' weight beside the prompts, in log-odds.
_ROUNDS, _COLOUR_WEIGHT = 2, 1.0
# Trees over colour and texture, the examples of either side that they learn from, and the
# log-odds beyond which a pixel is one.
_TREES, _EXAMPLES, _SURE = 30, 1200, 1.0
# Fewer examples of a side than this teach nothing.
_FEWEST = 50
# Cost of a boundary between pixels of equal colour, in log-odds, and steps of the cut.
_EDGE_STRENGTH, _ITERATIONS = 10.0, 40
# What the score of the smallest of three scales loses after clicks alone: people click on
# objects more often than on parts of them.
_PART_COST = 0.1
# Weights of L, a and b: shading changes lightness within an object more than its hue.
_SHADING = np.array((0.7, 1.0, 1.0), np.float32)
# Holes up to this share of an object are taken for highlights and closed.
_LARGEST_HOLE = 0.03

_FACTS = EngineFacts(
    name="classic",
    version="2",
    description="geodesic distance, colour models, boosted trees, smooth cut; CPU, no weights",
    licence="Apache-2.0",
    working_size=854,
)


@dataclass(frozen=True)
class ClassicEmbedding:
    """A picture as the segmenter needs it, whatever the prompts.

    Attributes:
        full: (H, W) of the picture.
        scale: size of what follows over that.
        lab: (h, w, 3) float32, smoothed, for geodesic distances.
        bins: colour cells.
        edges: float32 edge strength, 0 to 1.
        features: (F, h, w) uint8, what the trees see.
        costs: (4, h, w) float32 of a boundary, for the cut.
        to_border: (h, w) float32, geodesic distance from the border.
    """

    full: tuple[int, int]
    scale: float
    lab: npt.NDArray[np.float32]
    bins: Bins
    edges: npt.NDArray[np.float32]
    features: npt.NDArray[np.uint8]
    costs: npt.NDArray[np.float32]
    to_border: npt.NDArray[np.float32]


class ClassicSegmenter:
    """The segmenter role on the CPU."""

    facts: ClassVar[EngineFacts] = _FACTS

    def device(self) -> str:
        """Always `cpu`."""
        return "cpu"

    def precision(self) -> str:
        """Always `float32`."""
        return "float32"

    def embed(self, picture: Picture, *, seed: int) -> ClassicEmbedding:
        """Colours, edges and their graph at working size."""
        check_picture(picture)
        full = (picture.shape[0], picture.shape[1])
        shape = small_shape(full, _LONG_SIDE)
        small = np.clip(shrink(picture, shape), 0, 1)
        plain = lab_of(small)
        lab = cv2.bilateralFilter(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), 5, 12, 3)
        lab = np.asarray(lab, np.float32).reshape(small.shape) * _SHADING
        return ClassicEmbedding(
            full,
            max(shape) / max(full),
            lab,
            lab_bins(small),
            edge_strength(lab),
            features_of(plain),
            track_cut.edge_costs(plain, _EDGE_STRENGTH),
            distance_from(lab, rim(shape)),
        )

    def embedding_bytes(self, embedding: ClassicEmbedding) -> int:
        """Memory an embedding holds, in bytes."""
        parts = (embedding.lab, embedding.bins, embedding.edges, embedding.features)
        return sum(part.nbytes for part in (*parts, embedding.costs, embedding.to_border))

    def segment(
        self, embedding: ClassicEmbedding, prompts: Prompts, *, seed: int
    ) -> list[Candidate]:
        """Three candidates by scale, best score first, each of which honours every point.

        Where a positive and a negative point lie on one pixel, the positive one counts.

        Raises:
            EngineError: prompts that say nothing about this picture.
        """
        check_prompts(prompts, embedding.full)
        clues = _clues(embedding, prompts)

        def answer(item: tuple[int, Evidence]) -> Candidate:
            scale, evidence = item
            inside = _cut(embedding, clues, evidence, seed=seed_for(seed, "segment", scale))
            trust = score(inside, embedding.edges, embedding.bins)
            if scale == 0 and clues.box is None and clues.inside is None:
                trust = max(0.0, trust - _PART_COST)
            return Candidate(_enlarged(embedding, inside, prompts), trust)

        found = ordered_map(answer, list(enumerate(candidates(clues))), 0)
        return sorted(found, key=lambda candidate: -candidate.score)


def _clues(embedding: ClassicEmbedding, prompts: Prompts) -> Clues:
    shape = embedding.bins.shape
    positive, negative = (
        np.minimum(
            (point_pixels(prompts, embedding.full, wanted=wanted) + 0.5) * embedding.scale,
            np.array(shape) - 1,
        ).astype(np.intp)
        for wanted in (True, False)
    )
    to_positive, to_negative = ordered_map(
        lambda pixels: distance_from(embedding.lab, pixels), [positive, negative], 0
    )
    box = None
    if prompts.box is not None:
        box = _shrunk_box(prompts.box, embedding)
    inside = None
    if prompts.mask is not None:
        inside = shrink(prompts.mask, shape) > 0.5
    return Clues(
        shape, positive, negative, to_positive, to_negative, embedding.to_border, box, inside
    )


def _shrunk_box(box: tuple[float, float, float, float], embedding: ClassicEmbedding) -> Box | None:
    """The pixels at working size that a box touches, at least one; None if it meets none."""
    pixels = box_pixels(box, embedding.full)
    if pixels is None:
        return None
    height, width = embedding.bins.shape
    left, top = (int(edge * embedding.scale) for edge in pixels[:2])
    right, bottom = (int(np.ceil(edge * embedding.scale)) for edge in pixels[2:])
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, max(left + 1, min(right, width)), max(top + 1, min(bottom, height))


def _cut(
    embedding: ClassicEmbedding, clues: Clues, evidence: Evidence, *, seed: int
) -> npt.NDArray[np.bool_]:
    """The object at working size."""
    belief = evidence
    for _ in range(_ROUNDS):
        likely = np.asarray(1 / (1 + np.exp(-belief)), np.float32)
        # What no prompt reaches says less about the object's surroundings.
        beside = (1 - likely) * np.where(evidence > -CERTAIN, 1.0, 0.5).astype(np.float32)
        colours = ColourModel()
        colours.learn(embedding.bins, likely, beside, keyframe=True)
        belief = evidence + _COLOUR_WEIGHT * colours.smooth_log_ratio(embedding.bins, 1.5)
    trees = _trees(embedding, belief, seed=seed)
    if trees is not None:
        belief = belief + trees.log_odds(embedding.features)
    belief = np.clip(belief, -CERTAIN, CERTAIN)
    mark(belief, clues, 2 * CERTAIN, -2 * CERTAIN)
    inside = track_cut.solve(belief, embedding.costs, _ITERATIONS) > 0.5
    if clues.box is None and clues.inside is None:
        spots = np.zeros(inside.shape, np.bool_)
        spots[clues.positive[:, 0], clues.positive[:, 1]] = True
        inside = keep_connected(inside, spots, 0.0)
    return fill_holes(inside, clues.negative, _LARGEST_HOLE)


def _trees(embedding: ClassicEmbedding, belief: Evidence, *, seed: int) -> track_trees.Trees | None:
    """What tells the likely object from the likely rest; None where either is too small."""
    random = np.random.default_rng(seed)
    drawn = []
    for side in (belief > _SURE, belief < -_SURE):
        pixels = np.flatnonzero(side)
        if pixels.size < _FEWEST:
            return None
        drawn.append(random.choice(pixels, min(_EXAMPLES, pixels.size), replace=False))
    truth = np.array([True, False]).repeat([len(side) for side in drawn])
    flat = embedding.features.reshape(len(embedding.features), -1)
    samples = flat[:, np.concatenate(drawn)].T
    weights = np.ones(len(truth), np.float32)
    return track_trees.fit(samples, truth, weights, seed=seed, trees=_TREES)


def _enlarged(embedding: ClassicEmbedding, inside: npt.NDArray[np.bool_], prompts: Prompts) -> Mask:
    """The mask at the picture's size, with every point on its side."""
    mask = enlarge_mask(inside, embedding.full, 0.8)
    for wanted in (False, True):
        pixels = point_pixels(prompts, embedding.full, wanted=wanted)
        mask[pixels[:, 0], pixels[:, 1]] = float(wanted)
    return mask


def _load(options: LoadOptions) -> ClassicSegmenter:
    limit_libraries()
    return ClassicSegmenter()


SPECS = (EngineSpec(Role.SEGMENTER, _FACTS, _load, rank=0),)
