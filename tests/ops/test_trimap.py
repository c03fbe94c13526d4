"""Trimaps: what is unknown, and how far around which edge."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto_server.ops.geometry import Format
from airoto_server.ops.trimap import (
    around_edges,
    default_widths,
    edge_pixels,
    near_edge,
    trimap_adaptive,
    trimap_fixed,
    with_cores,
)


def guide_trimap(mask: np.ndarray, erosion: int, dilation: int) -> np.ndarray:
    """The common recipe: repeated erosion and dilation with a 3x3 kernel."""
    binary = (mask >= 0.5).astype(np.uint8) * 255
    kernel = np.ones((3, 3), np.uint8)
    trimap = np.zeros(mask.shape, np.float32)
    trimap[cv2.dilate(binary, kernel, iterations=dilation) == 255] = 0.5
    trimap[cv2.erode(binary, kernel, iterations=erosion) == 255] = 1
    return trimap


def furry(size: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A disc whose upper half carries strands; and where the strands are."""
    rng = np.random.default_rng(seed)
    centre = size // 2
    body = np.zeros((size, size), np.float32)
    cv2.circle(body, (centre, centre), size // 4, 1, -1)
    fur = body.copy()
    for angle in rng.uniform(np.pi * 1.15, np.pi * 1.85, 120):
        lean = angle + rng.normal(0, 0.15)
        root = (
            round(centre + np.cos(angle) * size / 4),
            round(centre + np.sin(angle) * size / 4),
        )
        tip = (round(root[0] + np.cos(lean) * size / 12), round(root[1] + np.sin(lean) * size / 12))
        cv2.line(fur, root, tip, 1, 1)
    return fur, (fur > 0) & (body == 0)


@pytest.mark.parametrize("function", [trimap_fixed, trimap_adaptive])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_or_full_mask_has_no_unknown(function, value) -> None:  # type: ignore[no-untyped-def]
    mask = np.full((30, 40), value, np.float32)
    assert (function(mask, 3, 8) == value).all()


def test_a_mask_that_is_nowhere_likely_is_empty() -> None:
    mask = np.full((30, 40), 0.3, np.float32)
    assert (trimap_adaptive(mask, 3, 8) == 0).all()


@given(st.integers(0, 8), st.integers(0, 8))
def test_straight_edges_get_the_guides_erosion_and_dilation(inner: int, outer: int) -> None:
    mask = np.zeros((40, 50), np.float32)
    mask[:, 22:] = 1
    for turned in (mask, mask.T, 1 - mask):
        turned = np.ascontiguousarray(turned)
        assert np.array_equal(
            trimap_fixed(turned, inner, outer), guide_trimap(turned, inner, outer)
        )


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_fixed_band_lies_within_the_guides(inner: int, outer: int, seed: int) -> None:
    noise = np.random.default_rng(seed).random((60, 70)).astype(np.float32)
    mask = (cv2.GaussianBlur(noise, (0, 0), 5) > 0.5).astype(np.float32)
    if mask.min() == mask.max():
        return
    ours, theirs = trimap_fixed(mask, inner, outer), guide_trimap(mask, inner, outer)
    assert (theirs[ours == 0.5] == 0.5).all()
    assert ((ours == 0.5) | (ours == mask)).all()


def test_the_band_is_as_wide_as_asked_in_every_direction() -> None:
    y, x = np.mgrid[:200, :200] + 0.5
    distance = np.hypot(x - 100, y - 100)
    trimap = trimap_fixed((distance < 60).astype(np.float32), 4, 7)
    assert (trimap[distance < 60 - 4.8] == 1).all()
    assert (trimap[(distance > 60 - 3.2) & (distance < 60 + 6.2)] == 0.5).all()
    assert (trimap[distance > 60 + 7.8] == 0).all()


def test_the_picture_s_border_is_no_edge() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[:, :30] = 1
    for trimap in (trimap_fixed(mask, 5, 5), trimap_adaptive(mask, 5, 12)):
        assert (trimap[:, :24] == 1).all()
        assert (trimap[:, 36:] == 0).all()


def test_smooth_shapes_get_the_narrow_band_everywhere() -> None:
    y, x = np.mgrid[:300, :300] + 0.5
    shapes = {
        "half plane": (x < 150).astype(np.float32),
        "slope": (x + 0.4 * y < 210).astype(np.float32),
        "disc": (np.hypot(x - 150, y - 150) < 90).astype(np.float32),
        "limb wider than the blur": (np.abs(x - 150) < 20).astype(np.float32),
    }
    for name, mask in shapes.items():
        adaptive, fixed = trimap_adaptive(mask, 4, 15), trimap_fixed(mask, 4, 4)
        differing = (adaptive != fixed).sum() / (fixed == 0.5).sum()
        assert differing < 0.1, name


def test_strands_get_the_wide_band_and_the_smooth_side_keeps_the_narrow_one() -> None:
    mask, strands = furry()
    trimap = trimap_adaptive(mask, 3, 16)
    assert (trimap[strands] == 0.5).all()
    around = cv2.dilate(strands.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    above = around & (np.arange(400)[:, None] < 140)
    assert (trimap[above] == 0.5).mean() > 0.99
    lower = trimap[260:]
    assert np.array_equal(lower, trimap_fixed(mask, 3, 3)[260:])


def test_unsure_pixels_are_unknown_wherever_they_lie() -> None:
    mask = np.zeros((80, 80), np.float32)
    mask[20:60, 20:60] = 1
    mask[38:42, 38:42] = 0.8
    mask[5:8, 70:75] = 0.15
    trimap = trimap_adaptive(mask, 2, 5)
    assert (trimap[38:42, 38:42] == 0.5).all()
    assert (trimap[5:8, 70:75] == 0.5).all()
    assert trimap[30, 30] == 1
    assert trimap[70, 70] == 0


@given(st.integers(0, 999), st.floats(0, 6), st.floats(0, 12))
@settings(max_examples=40, deadline=None)
def test_trimaps_have_three_values_and_hold_the_narrow_band(
    seed: int, narrow: float, more: float
) -> None:
    noise = np.random.default_rng(seed).random((50, 70)).astype(np.float32)
    mask = cv2.GaussianBlur(noise, (0, 0), 3)
    mask = np.clip((mask - 0.5) * 30 + 0.5, 0, 1).astype(np.float32)
    adaptive = trimap_adaptive(mask, narrow, narrow + more)
    assert set(np.unique(adaptive)) <= {0.0, 0.5, 1.0}
    assert adaptive.dtype == np.float32
    assert (adaptive[trimap_fixed(mask, narrow, narrow) == 0.5] == 0.5).all()
    widest = trimap_fixed(mask, narrow + more, narrow + more)
    unsure = (mask > 0.1) & (mask < 0.9)
    assert ((adaptive != 0.5) | (widest == 0.5) | unsure).all()


def test_impossible_widths_are_refused() -> None:
    mask = np.zeros((4, 4), np.float32)
    with pytest.raises(ValueError, match="negative"):
        trimap_fixed(mask, -1, 2)
    with pytest.raises(ValueError, match="narrow <= wide"):
        trimap_adaptive(mask, 5, 4)


def test_default_widths_follow_the_resolution() -> None:
    narrow, wide = default_widths(Format(1920, 1080))
    assert default_widths(Format(3840, 2160)) == (2 * narrow, 2 * wide)
    assert default_widths(Format(1080, 1920)) == (narrow, wide)
    assert 3 < narrow < wide < 40


def test_real_hair_is_caught_better_than_by_a_fixed_band_of_the_same_area(
    shared_data: Path,
) -> None:
    missed = {"adaptive": 0.0, "fixed": 0.0}
    for path in sorted((shared_data / "alphamatting" / "alpha").iterdir()):
        alpha = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
        size = (alpha.shape[1], alpha.shape[0])
        small = cv2.resize(alpha, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        mask = cv2.resize((small > 0.5).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        adaptive = trimap_adaptive(mask, *default_widths(Format(*size)))
        low, high = 0.0, 60.0
        for _ in range(8):
            width = (low + high) / 2
            less = (trimap_fixed(mask, width, width) == 0.5).mean() < (adaptive == 0.5).mean()
            low, high = (width, high) if less else (low, width)
        mixed = (alpha > 0.02) & (alpha < 0.98)
        for name, trimap in (("adaptive", adaptive), ("fixed", trimap_fixed(mask, low, low))):
            missed[name] += (mixed & (trimap != 0.5)).sum() / mixed.sum()
    assert missed["adaptive"] < missed["fixed"]
    assert missed["adaptive"] / 14 < 0.1


def bar(half: int) -> np.ndarray:
    """An upright bar, 2 * half pixels wide."""
    mask = np.zeros((90, 120), np.float32)
    mask[:, 60 - half : 60 + half] = 1
    return mask


def test_near_an_edge_is_within_the_reach_on_both_sides() -> None:
    near = near_edge(bar(20), 3)
    assert (np.flatnonzero(near[45]) == [37, 38, 39, 40, 41, 42, 77, 78, 79, 80, 81, 82]).all()
    assert not near_edge(np.zeros((8, 8), np.float32), 3).any()


def test_a_band_is_widened_by_what_each_edge_pixel_asks_for_and_no_more_than_wide() -> None:
    mask = bar(30)
    edge = edge_pixels(mask)
    before = trimap_fixed(mask, 2, 2)
    columns = np.nonzero(edge)[1]
    reach = np.where(columns < 60, 8.0, 50.0).astype(np.float32)
    after = around_edges(before, edge, reach, 2, 12)
    row = np.flatnonzero(after[45] == 0.5)
    assert row.min() == 30 - 8
    assert (row < 60).sum() == 16
    assert row.max() == 90 + 11
    none = around_edges(before, edge, np.zeros(edge.sum(), np.float32), 2, 12)
    assert (none == before).all()
    assert (around_edges(before, edge, reach, 12, 12) == before).all()


@pytest.mark.parametrize("half", [4, 8, 40])
def test_thin_parts_keep_a_core_and_thick_ones_the_whole_band(half: int) -> None:
    mask = bar(half)
    before = trimap_fixed(mask, 1, 1)
    edge = edge_pixels(mask)
    wide = around_edges(before, edge, np.full(edge.sum(), 12, np.float32), 1, 12)
    cored = with_cores(wide, before, mask, 12)
    if half == 40:
        assert (cored == wide).all()
    else:
        assert not (wide[45] == 1).any()
        core = np.flatnonzero(cored[45] == 1)
        assert abs(core.mean() - 59.5) < 0.1
        assert len(core) == {4: 4, 8: 6}[half]
        assert (cored[wide == 0] == 0).all()
    # The same of a gap between two bars.
    gap = with_cores(1 - wide, 1 - before, 1 - mask, 12)
    assert (gap == 1 - cored).all()
