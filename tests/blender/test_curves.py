"""Mattes as curves: contours, pieces over time, splines within a tolerance, masks in Blender."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_blender import channels

from airoto_blender import contours, fitting
from airoto_blender.outlines import Fill, Layer, rasterised

cv2 = pytest.importorskip("cv2")


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of what is above one half."""
    both, either = (one > 0.5) & (other > 0.5), (one > 0.5) | (other > 0.5)
    return both.sum() / max(1, either.sum())


def blobs(seed: int, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """A random matte of several soft pieces with holes, (H, W), float32."""
    noise = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 7, borderType=cv2.BORDER_CONSTANT)
    return 1 / (1 + np.exp(-smooth / smooth.std() * 6)).astype(np.float32)


def drawn(splines: list[fitting.Spline], key: int, size: tuple[int, int]) -> np.ndarray:
    """Splines of one key as pixels."""
    return rasterised((Layer(tuple(one.points[key] for one in splines), fill=Fill.WINDING),), size)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_polygons_of_contours_have_the_mattes_pixels(seed):
    matte = blobs(seed)
    found = contours.contours(matte)
    layer = [np.repeat(one[:, None], 3, axis=1) for one in found]
    assert alike(rasterised((Layer(tuple(layer), fill=Fill.WINDING),), (128, 96)), matte) > 0.99
    # What surrounds counts, holes count less: together they are the area.
    inside = sum(map(contours.area, found))
    assert inside == pytest.approx((matte > 0.5).sum(), rel=0.02, abs=20)


def test_a_ring_is_a_piece_and_a_hole_and_corners_that_touch_stay_apart_or_join():
    matte = np.zeros((20, 20), np.float32)
    matte[4:16, 4:16] = 1
    matte[8:12, 8:12] = 0
    outer, hole = contours.contours(matte)
    assert contours.area(outer) == pytest.approx(144, abs=1)
    assert contours.area(hole) == pytest.approx(-16, abs=1)
    assert (outer.min(), outer.max()) == (4, 16)
    touching = np.zeros((6, 6), np.float32)
    touching[1:3, 1:3] = touching[3:5, 3:5] = 1
    assert len(contours.contours(touching)) == 1
    assert len(contours.contours(touching * 0.8)) == 2
    assert contours.contours(np.zeros((6, 6), np.float32)) == []
    full = contours.contours(np.ones((6, 8), np.float32))
    assert len(full) == 1
    assert contours.area(full[0]) == pytest.approx(48, abs=1)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 1.0, 2.0]))
def test_splines_are_within_the_tolerance_and_have_the_same_points_on_every_key(seed, tolerance):
    mattes = [blobs(seed), np.roll(blobs(seed), 3, axis=1)]
    pieces = contours.tracked([contours.contours(one, 16) for one in mattes])
    splines = [fitting.fitted(one, tolerance, 256) for one in pieces]
    for spline in splines:
        assert spline.error <= tolerance
        assert spline.points.shape[0] == 2
        assert np.isfinite(spline.points).all()
    for key, matte in enumerate(mattes):
        assert (
            alike(drawn(splines, key, (128, 96)), matte)
            > {0.5: 0.975, 1.0: 0.95, 2.0: 0.9}[tolerance]
        )


def test_a_corner_gets_its_knot():
    square = np.zeros((80, 80), np.float32)
    square[10:70, 10:70] = 1
    (spline,) = (fitting.fitted([one], 0.5, 64) for one in contours.contours(square))
    assert spline.error <= 0.5
    assert spline.points.shape[1] <= 16
    for corner in ((10, 10), (70, 10), (70, 70), (10, 70)):
        assert np.abs(spline.points[0, :, 1] - corner).max(axis=1).min() < 1


def test_points_stay_in_their_order_while_a_shape_moves_and_turns():
    pictures = []
    for step in range(5):
        picture = np.zeros((120, 160), np.float32)
        cv2.ellipse(picture, (50 + 12 * step, 60), (40, 18), 12.0 * step, 0, 360, 1, -1)
        pictures.append(picture)
    (piece,) = contours.tracked([contours.contours(one) for one in pictures])
    spline = fitting.fitted(piece, 1.0, 64)
    for key in range(4):
        middle = (spline.points[key] + spline.points[key + 1]) / 2
        half = rasterised((Layer((middle,), fill=Fill.WINDING),), (160, 120))
        expected = np.zeros((120, 160), np.float32)
        cv2.ellipse(expected, (56 + 12 * key, 60), (40, 18), 12.0 * key + 6, 0, 360, 1, -1)
        assert alike(half, expected) > 0.95, "half way the shape is half way"


def test_a_piece_that_comes_and_goes_shrinks_to_where_it_was():
    there, gone = np.zeros((60, 60), np.float32), np.zeros((60, 60), np.float32)
    there[10:30, 10:30] = there[40:50, 40:50] = 1
    gone[12:32, 12:32] = 1
    pieces = contours.tracked([contours.contours(one) for one in (gone, there, gone)])
    assert [[one is not None for one in piece] for piece in pieces] == [
        [True, True, True],
        [False, True, False],
    ]
    splines = [fitting.fitted(one, 1.0, 64) for one in pieces]
    assert np.ptp(splines[1].points[0], axis=(0, 1)).max() == 0
    for key, matte in enumerate((gone, there, gone)):
        assert alike(drawn(splines, key, (60, 60)), matte) > 0.98


def test_where_points_do_not_do_the_error_says_so():
    spline = fitting.fitted(contours.contours(blobs(3))[:1], 0.25, 6)
    assert spline.points.shape[1] == 6
    assert spline.error > 0.25


def test_mattes_become_a_mask_that_blender_draws_like_them(shot):
    ran = shot.run(
        "import drawn\nmade = make(folder, clip, server, engine='auto')\n"
        "from airoto_blender import nodes\n"
        "said = []\n"
        "def press(**more):\n"
        "    try:\n        bpy.ops.airoto.make_mask(**more)\n"
        "    except RuntimeError as exc:\n        said.append(str(exc))\n"
        "scene = bpy.context.scene\nscene.frame_set(1003)\n"
        "press()\nbpy.ops.airoto.track()\n"
        "kinds = [one.type for one in bpy.data.screens[0].areas]\n"
        "press(every_object=True, tolerance=0.5)\npress(step=3)\n"
        "kept = [scene.frame_current, len(bpy.data.scenes),\n"
        "        kinds == [one.type for one in bpy.data.screens[0].areas]]\n"
        "masks = [(one.name, [len(s.points) for s in one.layers[0].splines])\n"
        "         for one in bpy.data.masks]\n"
        "where = nodes.shown_folder(made)\n"
        "save(folder / 'shot.blend')\n"
        "bpy.ops.wm.open_mainfile(filepath=str(folder / 'shot.blend'))\n"
        "for frame in (1001, 1003, 1004):\n"
        "    drawn.render_masks(list(bpy.data.masks), folder, (WIDTH, HEIGHT), frame)\n"
        "tell(said=said, kept=kept, masks=masks, where=where)"
    )
    assert ran.code == 0, ran.said
    facts = ran.facts
    assert "no mattes" in facts["said"][0] or "missing" in facts["said"][0]
    assert len(facts["said"]) == 1, facts["said"]
    assert facts["kept"] == [1003, 1, True], "frame, scenes and editors stay as they were"
    names = [name for name, _ in facts["masks"]]
    assert names == ["AI Roto bag", "AI Roto bag.001", "AI Roto hero"]
    for frame in (1001, 1003, 1004):
        matte = channels(shot.folder / facts["where"] / f"matte.{frame}.exr")
        drawn_by_blender = channels(shot.folder / f"masks.{frame}.exr")
        for name, layer in (("AI Roto hero", "matte_hero.A"), ("AI Roto bag", "matte_bag.A")):
            found = alike(drawn_by_blender[f"{name}.V"], matte[layer])
            # The objects are 40 pixels high: half a pixel all around is a twentieth of them.
            assert found > 0.92, (frame, name, found)
