"""Masks that are delivered without a matte: their boundary is decided on the plate's own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from airoto.sequence import Pattern
from airoto_server.app.sample import SamplePaths
from airoto_server.ops.geometry import Format, working_for
from airoto_server.ops.resample import mask_to_picture, mask_to_plate
from airoto_server.ops.score import boundary_distance

from .conftest import RunningServer
from .rendering import Message, alpha_of, drawn_recipe, render

# Long side of the picture that is tracked; the clip is 192 pixels wide.
WORKING = 64


def rendered(
    server: RunningServer,
    clip: SamplePaths,
    folder: Path,
    tracker: str,
    points: Sequence[Message] = (),
) -> dict[int, np.ndarray]:
    """The mattes of the first two frames, tracked at a third of the plate's size."""
    pattern = folder / "m.####.exr"
    recipe = drawn_recipe(
        clip, pattern, track={"engine": tracker}, processing={"working_size": WORKING}
    )
    recipe["objects"][0]["prompts"][0]["points"] = list(points)
    span = {"first": clip.first, "last": clip.first + 1}
    render(server.link, recipe, frames=span)
    return {frame: alpha_of(Pattern.parse(str(pattern)).path(frame)) for frame in span.values()}


def test_tracked_masks_follow_edges_finer_than_what_was_tracked(
    server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    frame = clip.first + 1
    masks = rendered(server, clip, tmp_path / "classic", "classic")
    truth = alpha_of(Pattern.parse(str(clip.alphas[0])).path(frame)) > 0.5
    height, width = truth.shape
    working = working_for(Format(width, height), WORKING)
    small = mask_to_picture(masks[frame], working.format.data, working)
    blunt = mask_to_plate(small, working, working.format.data)
    assert boundary_distance(masks[frame] > 0.5, truth) < boundary_distance(blunt > 0.5, truth)
    # Crisp: few pixels are neither in nor out.
    unsure = (masks[frame] > 0.05) & (masks[frame] < 0.95)
    assert unsure.sum() < 0.5 * ((blunt > 0.05) & (blunt < 0.95)).sum()


def test_a_drawn_mask_is_overruled_by_no_pixel(
    server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    """On its own frame it comes out as with a tracker that decides nothing."""
    one = rendered(server, clip, tmp_path / "classic", "classic")
    other = rendered(server, clip, tmp_path / "null", "null")
    np.testing.assert_array_equal(one[clip.first], other[clip.first])
    assert not np.array_equal(one[clip.first + 1], other[clip.first + 1])


def test_a_drawn_mask_that_points_corrected_is_an_engines_answer(
    server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    """It is decided on the plate, like what was tracked."""
    before = rendered(server, clip, tmp_path / "alone", "classic")
    rows, columns = np.nonzero(before[clip.first] > 0.5)
    at = len(rows) // 2
    points = [{"x": float(columns[at]) + 0.5, "y": float(rows[at]) + 0.5}]
    one = rendered(server, clip, tmp_path / "classic", "classic", points)
    other = rendered(server, clip, tmp_path / "null", "null", points)
    assert not np.array_equal(one[clip.first], other[clip.first])
