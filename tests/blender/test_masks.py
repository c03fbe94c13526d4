"""Masks that were drawn in Blender: as pixels, as prompts, on the frames of their keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_blender import channels

from airoto_blender import outlines

cv2 = pytest.importorskip("cv2")


def beyond_a_pixel(one: np.ndarray, other: np.ndarray) -> int:
    """Pixels of one that lie more than a pixel outside the other, both ways."""
    kernel = np.ones((3, 3), np.uint8)
    ours, theirs = (one > 0.5).astype(np.uint8), (other > 0.5).astype(np.uint8)
    out = (theirs == 1) & (cv2.dilate(ours, kernel) == 0)
    return int((out | ((ours == 1) & (cv2.dilate(theirs, kernel) == 0))).sum())


@pytest.mark.parametrize("size", [(640, 360), (300, 500)])
def test_a_mask_has_blenders_own_pixels_within_one(shot, size):
    ran = shot.run(
        f"import drawn, numpy as np\nsize = {size}\nmade = drawn.all_kinds()\n"
        "from airoto_blender import masks, outlines\nours = {}\n"
        "for one in made:\n"
        "    with masks.evaluated(one) as at:\n"
        "        ours[one.name] = outlines.rasterised(masks.layers_of(at(1), size), size)\n"
        "np.savez(folder / 'ours.npz', **ours)\ndrawn.render_masks(made, folder, size)"
    )
    assert ran.code == 0, ran.said
    ours, theirs = np.load(shot.folder / "ours.npz"), channels(shot.folder / "masks.0001.exr")
    assert len(ours.files) == 12
    for name in ours.files:
        blenders = theirs[f"{name}.V"]
        assert 0.01 < (blenders > 0.5).mean() < 0.99, name
        # Where an outline crosses itself Blender's own may be off by a pixel at the corner.
        assert beyond_a_pixel(ours[name], blenders) <= (1 if "star" in name else 0), name
        assert np.abs(ours[name] - blenders).mean() < 0.004, name


def test_a_mask_is_the_prompt_on_its_keys_and_is_tracked_from_them(shot):
    ran = shot.run(
        "import drawn\nmade = make(folder, clip, server)\n"
        "from airoto_blender import nodes\n"
        "mask = drawn.draw('Bird', ({}, [drawn.square(0.3, 0.5, 0.1)]))\n"
        "bpy.context.scene.frame_set(1001)\ndrawn.set_key(mask)\n"
        "bpy.context.scene.frame_set(1003)\n"
        "for one in mask.layers[0].splines[0].points:\n"
        "    for name in ('co', 'handle_left', 'handle_right'):\n"
        "        x, y = getattr(one, name)\n        setattr(one, name, (x + 0.3, y))\n"
        "drawn.set_key(mask)\n"
        "made.mask = mask\nscene = bpy.context.scene\nscene.frame_set(1002)\n"
        "nodes.edit(made, 'begin', state_ops.add_object(type(nodes.state_of(made))(), 'bird'))\n"
        "bpy.ops.airoto.use_mask(every_key=True)\n"
        "keys = [(p.frame, p.mask) for p in nodes.state_of(made).objects[-1].prompts]\n"
        "bpy.ops.airoto.use_mask()\n"
        "between = nodes.state_of(made).objects[-1].prompt(1002).mask\n"
        "frame = scene.frame_current\nbpy.ops.airoto.delete_prompt()\nbpy.ops.airoto.track()\n"
        "tell(keys=keys, between=between, frame=frame, status=made.status,\n"
        "     scenes=len(bpy.data.scenes), folder=nodes.shown_folder(made))"
    )
    assert ran.code == 0, ran.said
    assert [frame for frame, _ in ran.facts["keys"]] == [1001, 1003]
    assert (ran.facts["frame"], ran.facts["scenes"]) == (1002, 1), "the artist's frame stays"
    pictures = [cv2.imread(path, cv2.IMREAD_UNCHANGED) for _, path in ran.facts["keys"]]
    for pixels, left in zip((*pictures, cv2.imread(ran.facts["between"], -1)), (0.2, 0.5, 0.35)):
        # 192 x 108: the longer side is one; rows 34.8 to 73.2 from the top.
        inside = np.flatnonzero(pixels[54] > 127)
        assert (inside[0], inside[-1] + 1) == (round(192 * left), round(192 * (left + 0.2)))
        rows = np.flatnonzero(pixels[:, inside[0] + 5] > 127)
        assert (rows[0], rows[-1] + 1) == (35, 73)
    assert ran.facts["status"] == "current: 4 frames, 1001-1004"
    for frame, pixels in zip((1001, 1003), pictures):
        made = channels(shot.folder / ran.facts["folder"] / f"matte.{frame}.exr")["matte_bird.A"]
        inside, found = pixels > 127, made > 0.5
        # The null matter pulls the edge in by some pixels.
        assert (found & ~inside).sum() == 0, frame
        assert found.sum() > 0.6 * inside.sum(), frame


def test_a_mask_that_says_nothing_is_refused_in_words(shot):
    ran = shot.run(
        "import drawn\nmade = make(folder, clip, server)\nbefore, said = made.state, []\n"
        "def press(mask, **more):\n"
        "    made.mask = mask\n"
        "    try:\n        bpy.ops.airoto.use_mask(**more)\n"
        "    except RuntimeError as exc:\n        said.append(str(exc))\n"
        "scene = bpy.context.scene\nscene.frame_set(1002)\n"
        "press(None)\npress(drawn.draw('empty', ({}, [])))\n"
        "press(drawn.draw('away', ({}, [drawn.square(3, 3, 0.1)])))\n"
        "still = drawn.draw('still', ({}, [drawn.square(0.5, 0.5, 0.1)]))\n"
        "press(still, every_key=True)\nscene.frame_set(1)\npress(still)\n"
        "tell(same=made.state == before, said=said)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["same"]
    for said, words in zip(
        ran.facts["said"],
        ("no mask is chosen", "empty holds nothing of the plate on frame 1002",
         "away holds nothing", "does not move", "frame 1 lies outside the range 1001-1004"),
        strict=True,
    ):  # fmt: skip
        assert words in said


PLACES = st.floats(-8, 40, width=32)


@given(st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=8), st.sampled_from(outlines.Fill))
def test_coverage_is_the_share_of_samples_inside(corners, fill):
    polygon = np.array(corners, np.float64)
    found = outlines.coverage([polygon], (24, 16), fill)
    assert found.shape == (16, 24)
    assert found.min() >= 0
    assert found.max() <= 1
    # A finer grid of samples, each counted by how often the polygon winds round it.
    x, y = np.meshgrid((np.arange(24 * 16) + 0.5) / 16, (np.arange(16 * 8) + 0.5) / 8)
    winding = np.zeros(x.shape)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0)):
        if y1 == y2:
            continue
        crosses = ((y1 <= y) & (y < y2)) | ((y2 <= y) & (y < y1))
        right = x1 + (y - y1) / (y2 - y1) * (x2 - x1) < x
        winding += np.where(crosses & right, np.sign(y2 - y1), 0)
    expected = (winding != 0).reshape(16, 8, 24, 16).mean(axis=(1, 3))
    # Along an edge that is nearly flat, 1/16 of a pixel on each side of each sample's line.
    assert np.abs(found - expected).max() <= 0.26
    assert np.abs(found - expected).mean() < 0.01


def test_keys_are_where_straight_motion_bends():
    line = np.array([[0, 0], [0, 0], [1, 2], [2, 4], [3, 6], [3, 6], [3, 6.0]])
    assert outlines.keyed(line) == [1, 4]
    assert outlines.keyed(line[1:5]) == [0, 3]
    assert outlines.keyed(line[:2]) == []
    assert outlines.keyed(line[:1]) == []


def test_a_flattened_circle_is_within_a_hundredth_of_a_pixel():
    arm, radius = 0.5522847 * 50, 50.0
    circle = np.array(
        [
            [(radius, -arm), (radius, 0), (radius, arm)],
            [(arm, radius), (0, radius), (-arm, radius)],
            [(-radius, arm), (-radius, 0), (-radius, -arm)],
            [(-arm, -radius), (0, -radius), (arm, -radius)],
        ]
    )
    flat = outlines.flattened(circle)
    middle = (flat + np.roll(flat, -1, axis=0)) / 2
    # A Bezier circle itself is off by 0.027 %.
    assert np.abs(np.linalg.norm(middle, axis=1) - radius).max() < 0.01 + 0.0003 * radius
