"""From a place in an editor to a pixel and back, and what mouse presses mean; without Blender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto_blender import geometry, marks
from airoto_blender.geometry import Canvas
from airoto_blender.picking import CLICK, REACH, Picker, nearest
from airoto_client.node import state_ops
from airoto_client.node.state import Box, Point, State

SIZES = st.tuples(st.integers(1, 8192), st.integers(1, 8192))
REGIONS = st.tuples(st.integers(20, 4000), st.integers(20, 3000))


@st.composite
def canvases(draw: st.DrawFn) -> Canvas:
    """Any zoom from 1/50 to 50, any pan, any pixel aspect from a third to three."""
    region, size = draw(REGIONS), draw(SIZES)
    zoom, aspect = draw(st.floats(0.02, 50)), draw(st.floats(0.33, 3))
    left, bottom = draw(st.floats(-2, 2)), draw(st.floats(-2, 2))
    across, up = region[0] / (size[0] * zoom * aspect), region[1] / (size[1] * zoom)
    return Canvas(region, (left, bottom, left + across, bottom + up), size)


@given(canvases(), st.floats(-10, 10), st.floats(-10, 10))
def test_a_place_on_the_plate_comes_back_from_the_region(canvas, across, down):
    x, y = across * canvas.size[0], down * canvas.size[1]
    back = canvas.to_plate(*canvas.to_region(x, y))
    assert back == pytest.approx((x, y), rel=1e-6, abs=1e-6 * max(canvas.size))


@given(canvases(), st.floats(0, 1), st.floats(0, 1))
def test_right_is_right_and_up_is_less(canvas, one, two):
    x, y = canvas.to_plate(0, 0)
    right, upper = canvas.to_plate(*canvas.region)
    assert right > x
    assert upper < y


def test_the_corners_of_a_picture_that_fills_a_region_are_the_plates_corners():
    canvas = Canvas((640, 360), (0.0, 0.0, 1.0, 1.0), (1920, 1080))
    assert canvas.to_plate(0, 360) == (0, 0)
    assert canvas.to_plate(640, 0) == (1920, 1080)
    assert canvas.to_plate(0.5, 359.5) == pytest.approx((1.5, 1.5))


def test_a_clip_shown_at_a_quarter_of_its_size_is_the_plate_and_another_picture_is_not():
    geometry.check_aspect((1024, 429), (4096, 1716), "proxy")
    with pytest.raises(BadRequestError, match=r"Viewer is 1920x1080, the plate is 4096x1716"):
        geometry.check_aspect((1920, 1080), (4096, 1716), "Viewer")
    with pytest.raises(BadRequestError, match="cannot be read"):
        geometry.check_aspect((0, 0), (4096, 1716), "Viewer")


@given(canvases(), st.tuples(*[st.floats(-3, 3)] * 4))
def test_a_box_lies_on_the_plate_or_is_refused(canvas, corners):
    width, height = canvas.size
    one, other = (
        (corners[0] * width, corners[1] * height),
        (corners[2] * width, corners[3] * height),
    )
    try:
        box = canvas.box(one, other)
    except BadRequestError:
        return
    assert 0 <= box.x_min < box.x_max <= width
    assert 0 <= box.y_min < box.y_max <= height


def pressed(canvas, start, end, *, negative=False, state=None, frame=7):
    """The state after the mouse was pressed, moved and released."""
    state = State() if state is None else state
    picker, points = Picker(), ()
    if state.objects and state.object(state.current).prompt(frame):
        points = state.object(state.current).prompt(frame).points
    if not picker.press(canvas, start, points, negative=negative):
        return None
    picker.move(canvas, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    done = picker.release(canvas, end, frame)
    return state if done is None else done.change(state)


@given(canvases(), st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.booleans())
def test_a_click_is_a_point_under_the_mouse_at_any_zoom(canvas, across, up, negative):
    at = canvas.to_region(across * canvas.size[0], (1 - up) * canvas.size[1])
    made = pressed(canvas, at, (at[0] + CLICK / 2, at[1]), negative=negative)
    (point,) = made.objects[0].prompts[0].points
    assert (point.x, point.y) == pytest.approx(canvas.to_plate(*at), abs=0.0051)
    assert point.positive is not negative


PLAIN = Canvas((1920, 1080), (0.0, 0.0, 1.0, 1.0), (1920, 1080))


def test_a_drag_is_a_box_whichever_way_it_goes():
    for start, end in (((100, 980), (300, 680)), ((300, 680), (100, 980))):
        made = pressed(PLAIN, start, end)
        assert made.objects[0].prompts[0].box == Box(100, 100, 300, 400)


def test_a_point_is_moved_flipped_and_deleted_where_it_is_seen():
    state = state_ops.add_point(State(), 7, 100, 100)
    near, far = (100 + REACH - 1, 980), (100 + REACH + 2, 980)
    moved = pressed(PLAIN, near, (200, 880), state=state)
    assert moved.objects[0].prompts[0].points == (Point(200, 200, True),)
    flipped = pressed(PLAIN, near, near, negative=True, state=state)
    assert flipped.objects[0].prompts[0].points == (Point(100, 100, False),)
    assert pressed(PLAIN, near, near, state=state) == state, "a click on a point adds none"
    assert len(pressed(PLAIN, far, far, state=state).objects[0].prompts[0].points) == 2
    erased = Picker().erase(PLAIN, near, state.objects[0].prompts[0], 7)
    assert erased.change(state).objects[0].prompts == ()
    assert Picker().erase(PLAIN, far, state.objects[0].prompts[0], 7) is None


def test_a_box_is_taken_away_at_its_edge_and_not_in_its_middle():
    state = state_ops.set_box(state_ops.add_object(State()), 7, Box(9, 9, 99, 99))
    prompt = state.objects[0].prompts[0]
    for at in ((9, 1021), (99 + REACH - 1, 1000), (50, 981)):
        assert Picker().erase(PLAIN, at, prompt, 7).change(state).objects[0].prompts == ()
    for at in ((50, 1030), (99 + REACH + 2, 1000), (50, 940)):
        assert Picker().erase(PLAIN, at, prompt, 7) is None


def test_a_point_dragged_off_the_plate_stays_and_a_press_beside_it_is_not_ours():
    state = state_ops.add_point(State(), 7, 1, 1)
    assert pressed(PLAIN, (1, 1079), (-400, 1500), state=state) == state
    assert pressed(PLAIN, (-20, 500), (-20, 500)) is None


def test_what_is_dragged_is_forgotten_on_escape():
    picker = Picker()
    picker.press(PLAIN, (100, 100), (), negative=False)
    picker.move(PLAIN, (300, 300))
    assert picker.is_dragging
    assert picker.rubber(PLAIN) is not None
    assert picker.give_up()
    assert picker.release(PLAIN, (400, 400), 7) is None
    assert not picker.give_up()


def test_the_nearest_of_two_points_is_meant():
    points = (Point(100, 100), Point(106, 100))
    assert nearest(PLAIN, (105, 980), points) == 1
    assert nearest(PLAIN, (101, 980), points) == 0


def test_a_clip_with_start_and_offset_shows_these_files():
    # Blender: file = scene frame - start + offset + number of the first file.
    assert geometry.clip_file(1, start=1, offset=0, first=1001) == 1001
    assert geometry.clip_file(120, start=101, offset=5, first=1001) == 1025
    assert geometry.clip_file(1, start=1, offset=0, first=1) == 1


@given(canvases())
def test_marks_are_triangles_near_what_they_mark(canvas):
    state = state_ops.add_point(State(), 7, canvas.size[0] / 2, canvas.size[1] / 3)
    made = marks.marks_of(state, 7, canvas)
    assert len(made.corners) == len(made.colours)
    assert len(made.corners) % 3 == 0
    x, y = canvas.to_region(canvas.size[0] / 2, canvas.size[1] / 3)
    assert all(abs(one - x) < 10 and abs(two - y) < 10 for one, two in made.corners)
    assert [one.text for one in made.labels] == ["object1"]
    assert not marks.marks_of(state, 8, canvas).corners, "another frame has no prompt"


def test_the_current_object_is_drawn_last_and_strongest():
    state = state_ops.add_point(State(), 7, 10, 10)
    state = state_ops.add_point(state_ops.add_object(state, "other"), 7, 20, 20)
    state = state_ops.select_object(state, 1)
    made = marks.marks_of(state, 7, PLAIN)
    first, second = PLAIN.to_region(20, 20), PLAIN.to_region(10, 10)
    assert abs(made.corners[0][0] - first[0]) < 10
    assert abs(made.corners[-1][0] - second[0]) < 10
    assert max(one[3] for one in made.colours[: len(made.colours) // 2]) < 0.5
    assert made.colours[-1][3] > 0.8
