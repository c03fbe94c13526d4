"""The boundary of a mask, decided on pixels of a plate that is larger than the tracked picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from airoto_server.engines.classic.refining import edge_model
from airoto_server.engines.classic.resizing import enlarge_mask, shrink
from airoto_server.engines.classic.track_frame import WORKING_SIDE
from airoto_server.engines.edge_model import EdgeModel
from airoto_server.ops.geometry import Window
from airoto_server.ops.score import boundary_distance, iou

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Plate pixels to one of the tracked picture, and to one that evidence is weighed on.
SCALE = 4
SMALL = (240, WORKING_SIDE)
PLATE = (SMALL[0] * SCALE, SMALL[1] * SCALE)


def comb() -> Bool:
    """A disc with strands on it, three pixels thick and five apart: less than a small pixel."""
    y, x = np.mgrid[: PLATE[0], : PLATE[1]]
    disc = np.hypot(x - 850, y - 520) < 200
    strands = (x % 8 < 3) & (np.abs(x - 850) < 60) & (y > 306) & (y < 330)
    return disc | strands


def plate_of(inside: Bool, *, contrast: float, seed: int = 1) -> Plane:
    """Grainy surroundings that grow lighter to the right, and an object of another colour."""
    random = np.random.default_rng(seed)
    height, width = inside.shape
    ramp = np.linspace(0.2, 0.4, width, dtype=np.float32)[None, :, None]
    picture = np.broadcast_to(ramp, (height, width, 3)) * np.float32([0.6, 1.0, 0.8])
    picture = picture + contrast * inside[..., None] * np.float32([1.0, 0.4, -0.2])
    grain = random.normal(0, 0.015, picture.shape)
    return np.asarray(np.clip(picture + grain, 0, 1), np.float32)


def tracked(inside: Bool, shift: float = 0.0) -> Plane:
    """The mask as a tracker gives it, some small pixels to the right of where it should be."""
    small = shrink(inside.astype(np.float32), SMALL)
    move = np.float32([[1, 0, shift], [0, 1, 0]])
    moved = cv2.warpAffine(small, move, (SMALL[1], SMALL[0]))
    return enlarge_mask(np.asarray(moved) > 0.5, SMALL, 1.0)


def refined(plate: Plane, mask: Plane) -> tuple[Plane, Plane]:
    """A mask brought to the plate as it is, and as the plate's pixels have it."""
    model = edge_model(shrink(plate, SMALL), mask)
    assert model is not None
    enlarged = cv2.resize(mask, (PLATE[1], PLATE[0]), interpolation=cv2.INTER_CUBIC)
    enlarged = np.clip(np.asarray(enlarged, np.float32), 0, 1)
    return enlarged, model.over_whole(enlarged, plate)


def test_a_boundary_some_working_pixels_off_is_found_on_the_plate() -> None:
    truth = comb()
    before, after = refined(plate_of(truth, contrast=0.25), tracked(truth, shift=2.0))
    assert boundary_distance(before > 0.5, truth) > 4
    assert boundary_distance(after > 0.5, truth) < 1
    assert after.min() >= 0
    assert after.max() <= 1


def test_strands_thinner_than_a_working_pixel_and_the_gaps_between_them_are_kept() -> None:
    truth = comb()
    before, after = refined(plate_of(truth, contrast=0.25), tracked(truth))
    tips = (slice(308, 318), slice(795, 906))
    assert iou(before[tips] > 0.5, truth[tips]) < 0.5
    assert iou(after[tips] > 0.5, truth[tips]) > 0.9


def test_where_both_sides_look_alike_the_mask_keeps_its_boundary() -> None:
    truth = comb()
    before, after = refined(plate_of(truth, contrast=0.0), tracked(truth))
    assert boundary_distance(before > 0.5, after > 0.5) < SCALE / 2
    assert iou(before > 0.5, after > 0.5) > 0.97


def test_far_from_its_boundary_a_mask_stays_as_it_is() -> None:
    truth = comb()
    plate = plate_of(truth, contrast=0.25)
    # Something inside that looks just like the surroundings, and the other way round.
    plate[480:520, 830:870] = plate[480:520, 100:140]
    plate[100:140, 100:140] = plate[600:640, 830:870]
    before, after = refined(plate, tracked(truth))
    for part in ((slice(480, 520), slice(830, 870)), (slice(100, 140), slice(100, 140))):
        np.testing.assert_array_equal(after[part], before[part])


def test_a_part_of_the_plate_gives_what_the_whole_gives() -> None:
    truth = comb()
    plate, mask = plate_of(truth, contrast=0.25), tracked(truth, shift=1.0)
    enlarged, whole = refined(plate, mask)
    model = edge_model(shrink(plate, SMALL), mask)
    assert model is not None
    part = Window(613, 287, 901, 777)
    asked: list[Window] = []

    def picture_of(window: Window) -> Plane:
        asked.append(window)
        moved = window.shifted(part.x_min, part.y_min)
        return plate[moved.slices(Window.sized(PLATE[1], PLATE[0]))]

    cut = part.slices(Window.sized(PLATE[1], PLATE[0]))
    share = 1 / SCALE
    made = model.decide(
        enlarged[cut], picture_of, (share, part.y_min * share), (share, part.x_min * share)
    )
    # But for the rounding of positions.
    np.testing.assert_allclose(made, whole[cut], atol=1e-3)
    assert sum(one.width * one.height for one in asked) < part.width * part.height


def test_an_object_at_the_edge_of_the_picture_goes_on_beyond_it() -> None:
    y, x = np.mgrid[: PLATE[0], : PLATE[1]]
    truth = np.hypot(x - 20, y - 20) < 200
    _, after = refined(plate_of(truth, contrast=0.25), tracked(truth, shift=-1.0))
    assert iou(after > 0.5, truth) > 0.98
    assert (after[:100, :4] > 0.9).all()
    assert (after[:4, :100] > 0.9).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_without_a_boundary_has_nothing_to_decide(value: float) -> None:
    plate = plate_of(comb(), contrast=0.25)
    assert edge_model(shrink(plate, SMALL), np.full(SMALL, value, np.float32)) is None


def test_the_same_is_decided_every_time() -> None:
    truth = comb()
    plate, mask = plate_of(truth, contrast=0.25), tracked(truth, shift=1.0)
    one, other = refined(plate, mask)[1], refined(plate.copy(), mask.copy())[1]
    np.testing.assert_array_equal(one, other)


def test_a_model_of_a_single_row_or_column_is_interpolated() -> None:
    planes = np.zeros((1, 1, 5), np.float32)
    planes[..., 0], planes[..., 3] = 10.0, -5.0
    model = EdgeModel((1, 1), Window(0, 0, 1, 1), planes, most=2.0, sure=3.0)
    picture = np.zeros((2, 3, 3), np.float32)
    picture[:, 1:, 0] = 1.0
    made = model.over_whole(np.full((2, 3), 0.5, np.float32), picture)
    np.testing.assert_array_equal(made > 0.5, picture[..., 0] > 0.5)
