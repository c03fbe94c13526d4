"""Steady edges: what jitters is calmed, what moves is not smeared, what was cut is not seen."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from airoto_server.ops.geometry import Format, Window, working_for
from airoto_server.ops.grid import Grid
from airoto_server.ops.motion import Look, Motion
from airoto_server.ops.nonzero import blocks_of
from airoto_server.ops.part import Part
from airoto_server.ops.places import identity, sampled
from airoto_server.ops.score import dtssd
from airoto_server.ops.steady_alpha import Neighbour, comparable, steady_alpha
from airoto_server.ops.steady_trimap import (
    disputed,
    motion_reach,
    widened_pixels,
    with_unknown,
)
from airoto_server.ops.trails import Trail, follow

Plane = npt.NDArray[np.float32]
HIGH, WIDE = 96, 160
FRAME = Window.sized(WIDE, HIGH)
GRID = Grid.of(working_for(Format(WIDE, HIGH), 0), Window.sized(WIDE, HIGH), 1.0)


def texture(seed: int, high: int = HIGH, wide: int = 3 * WIDE) -> Plane:
    """Something that flow can hold on to, (H, W, 3)."""
    noise = np.random.default_rng(seed).random((high, wide, 3), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return np.asarray(np.clip((soft - 0.5) * 3 + 0.5, 0, 1), np.float32)


def disc(x: float, y: float = HIGH / 2, radius: float = 24) -> Plane:
    """A disc's exact enough coverage."""
    rows, columns = np.mgrid[:HIGH, :WIDE] + 0.5
    return np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1).astype(np.float32)


def shown(alpha: Plane, front: Plane, x: float) -> Plane:
    """A disc whose texture moves with it, over a background that stands."""
    back = 0.4 * texture(1)[:, :WIDE]
    move = np.array([[1.0, 0.0, x], [0.0, 1.0, 0.0]])
    moved = cv2.warpAffine(front, move, (WIDE, HIGH), borderMode=cv2.BORDER_WRAP)
    return np.asarray(back + alpha[..., None] * (0.3 + 0.7 * moved - back), np.float32)


def clip(step: float, frames: int = 5) -> tuple[list[Plane], list[Plane]]:
    """Alphas and pictures of a disc that goes `step` pixels a frame."""
    front = texture(2)
    alphas = [disc(60 + step * index) for index in range(frames)]
    return alphas, [shown(one, front, step * index) for index, one in enumerate(alphas)]


def trails(pictures: list[Plane], at: int) -> dict[int, Trail]:
    """Of one frame, in all others."""
    looks = [Look(picture) for picture in pictures]
    found: dict[int, Trail] = {}
    for run in (range(at, len(pictures)), range(at, -1, -1)):
        motions = [Motion.between(looks[a], looks[b], FRAME, 2) for a, b in itertools.pairwise(run)]
        found.update(zip(run[1:], follow(FRAME, [looks[i] for i in run], motions), strict=True))
    return found


def band_of(alpha: Plane, reach: int = 4) -> Plane:
    """A trimap around an alpha's edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    inside = (alpha >= 0.5).astype(np.uint8)
    trimap = np.full(alpha.shape, 0.5, np.float32)
    trimap[cv2.dilate(inside, kernel) == 0] = 0
    trimap[cv2.erode(inside, kernel) == 1] = 1
    return trimap


def steadied(
    alphas: list[Plane], trimaps: list[Plane], pictures: list[Plane], strength: float = 1.0
) -> list[Plane]:
    """Every frame with all others as its neighbours."""
    answer = []
    for at, (alpha, trimap) in enumerate(zip(alphas, trimaps, strict=True)):
        neighbours = [
            Neighbour(
                comparable(Part(FRAME, alphas[other]), Part(FRAME, trimaps[other]), (HIGH, WIDE)),
                trail,
            )
            for other, trail in trails(pictures, at).items()
        ]
        whole = Part(FRAME, alpha)
        answer.append(steady_alpha(whole, trimap == 0.5, neighbours, GRID, strength).values)
    return answer


def sad(a: Plane, b: Plane) -> float:
    return float(np.abs(a - b).sum())


@pytest.mark.parametrize(("step", "share"), [(0.0, 0.3), (3.0, 0.85)])
def test_an_edge_that_boils_gets_steadier_and_no_worse(step: float, share: float) -> None:
    truths, pictures = clip(step)
    rng = np.random.default_rng(3)
    trimaps = [band_of(truth) for truth in truths]
    noisy = [
        np.where(
            trimap == 0.5, np.clip(truth + rng.normal(0, 0.15, truth.shape), 0, 1), truth
        ).astype(np.float32)
        for truth, trimap in zip(truths, trimaps, strict=True)
    ]
    calm = steadied(noisy, trimaps, pictures)
    assert dtssd(calm, truths) < share * dtssd(noisy, truths)
    for alpha, before, truth in zip(calm, noisy, truths, strict=True):
        assert np.square(alpha - truth).sum() < np.square(before - truth).sum()
        assert sad(alpha, truth) < 1.15 * sad(before, truth)


@pytest.mark.parametrize("step", [1.5, 8.0])
def test_an_exact_alpha_that_moves_is_not_smeared(step: float) -> None:
    truths, pictures = clip(step)
    calm = steadied(truths, [band_of(truth) for truth in truths], pictures)
    for alpha, truth in zip(calm, truths, strict=True):
        edge = float(((truth > 0) & (truth < 1)).sum())
        # A fraction of a pixel along the edge, where flow has to choose between two motions.
        assert sad(alpha, truth) < 0.2 * edge
        # Nothing where the object was or will be.
        assert np.abs(alpha - truth).max() < 0.25


def test_no_ghost_of_another_shot() -> None:
    alphas, pictures = clip(1.0, frames=2)
    other = [disc(100, radius=20)] * 2
    pictures += [np.ascontiguousarray(0.2 + 0.8 * texture(9)[:, :WIDE])] * 2
    trimaps = [band_of(alpha) for alpha in [*alphas, *other]]
    whole = steadied([*alphas, *other], trimaps, pictures)
    apart = steadied(alphas, trimaps[:2], pictures[:2]) + steadied(other, trimaps[2:], pictures[2:])
    for with_cut, without in zip(whole, apart, strict=True):
        assert np.abs(with_cut - without).max() < 0.15
        assert sad(with_cut, without) < 3


def test_a_neighbour_that_lost_the_object_takes_nothing_away() -> None:
    alphas, pictures = clip(0.0, frames=3)
    trimaps = [band_of(alpha) for alpha in alphas]
    lost = np.zeros_like(alphas[1])
    calm = steadied([alphas[0], lost, alphas[2]], [trimaps[0], lost, trimaps[2]], pictures)
    assert np.abs(calm[0] - alphas[0]).max() < 0.02
    assert (calm[1] == 0).all()
    trail = trails(pictures, 0)[1]
    assert not disputed(Part(FRAME, trimaps[0]), [(Part.of(lost), trail)], FRAME).any()


def test_known_pixels_and_strength_zero_keep_every_bit() -> None:
    alphas, pictures = clip(2.0, frames=3)
    rng = np.random.default_rng(4)
    alphas = [np.clip(a + rng.normal(0, 0.1, a.shape), 0, 1).astype(np.float32) for a in alphas]
    trimaps = [band_of(disc(60 + 2.0 * index)) for index in range(3)]
    calm = steadied(alphas, trimaps, pictures)
    for alpha, before, trimap in zip(calm, alphas, trimaps, strict=True):
        assert (alpha[trimap != 0.5] == before[trimap != 0.5]).all()
        assert not (alpha == before).all()
    for alpha, before in zip(steadied(alphas, trimaps, pictures, 0.0), alphas, strict=True):
        assert (alpha == before).all()


def test_trimaps_that_disagree_along_the_motion_become_unknown_and_no_more() -> None:
    alphas, pictures = clip(5.0, frames=2)
    trimaps = [band_of(alpha) for alpha in alphas]
    fat = band_of(disc(65, radius=32))
    trail = trails(pictures, 0)[1]
    whole = Part(FRAME, trimaps[0])
    known = trimaps[0] != 0.5
    same = disputed(whole, [(Part.of(trimaps[1]), trail)], FRAME) & known
    assert same.sum() < 0.15 * (~known).sum()
    wider = disputed(whole, [(Part.of(fat), trail)], FRAME)
    rows, columns = np.mgrid[:HIGH, :WIDE] + 0.5
    away = np.hypot(columns - 60, rows - HIGH / 2)
    # The other's band begins at 28 pixels, and this one ends there; background from 28 to 36 is
    # in doubt now. Trust is not everywhere, most of all where the picture has no detail.
    ring = (away > 30) & (away < 35)
    assert wider[ring].mean() > 0.6
    assert not wider[away > 43].any()
    part = Window(40, 20, 90, 70)
    inside = disputed(whole, [(Part.of(fat), follow_part(pictures, part))], part)
    assert (inside[part.slices(FRAME)] == wider[part.slices(FRAME)]).mean() > 0.98
    inside[part.slices(FRAME)] = False
    assert not inside.any()


def follow_part(pictures: list[Plane], part: Window) -> Trail:
    """From the first frame to the second, of some pixels."""
    looks = [Look(picture) for picture in pictures[:2]]
    (trail,) = follow(part, looks, [Motion.between(looks[0], looks[1], FRAME, 1)])
    return trail


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.4448, 0.25])
def test_a_widened_band_has_no_gaps_at_the_pixels_of_the_output_window(scale: float) -> None:
    high, wide = math.ceil(HIGH / scale), math.ceil(WIDE / scale)
    grid = Grid((high, wide), (scale, scale), (scale / 2 - 0.5, scale / 2 - 0.5))
    rows, columns = np.mgrid[:high, :wide] * scale
    away = np.hypot(columns - 80, rows - 48)
    own = np.where(away < 20, 1, np.where(away < 26, 0.5, 0)).astype(np.float32)
    before = grid.seen(Part.of(own), FRAME)
    after = before.copy()
    look_rows, look_columns = np.mgrid[:HIGH, :WIDE]
    far = np.hypot(look_columns - 80, look_rows - 48)
    after[(far > 18) & (far < 34)] = 0.5
    whole = Window.sized(wide, high)
    made = with_unknown(Part(whole, own), widened_pixels(before, after), FRAME, grid).values
    assert (made[(away > 19.5) & (away < 32.5)] == 0.5).all()
    assert (made[away < 16.5] == 1).all()
    assert (made[away > 35.5] == 0).all()
    # Where nothing is new a band stays as it is, to the pixel.
    assert (
        with_unknown(Part(whole, own), widened_pixels(before, before), FRAME, grid).values == own
    ).all()


def test_reach_is_how_far_the_object_goes_and_not_what_goes_past_it() -> None:
    alphas, pictures = clip(6.0, frames=2)
    looks = [Look(picture) for picture in pictures]
    there = Motion.between(looks[0], looks[1], FRAME, 1)
    edge = (alphas[0] > 0) & (alphas[0] < 1)
    reach = motion_reach(Part(FRAME, alphas[0]), [there])[edge]
    assert abs(float(np.median(reach)) - 6) < 1.5
    # The background is still, so the reach of what is behind the disc is small.
    behind = 1 - alphas[0]
    assert float(np.median(motion_reach(Part(FRAME, behind), [there])[edge])) < 4
    assert (motion_reach(Part(FRAME, alphas[0]), []) == 0).all()
    assert (motion_reach(Part(FRAME, np.zeros_like(alphas[0])), [there]) == 0).all()


def test_flow_and_trails_do_not_depend_on_threads() -> None:
    _, pictures = clip(4.0, frames=2)
    looks = [Look(picture) for picture in pictures]
    found = [Motion.between(looks[0], looks[1], FRAME, threads) for threads in (1, 2, 5)]
    for motion in found[1:]:
        assert (motion.there == found[0].there).all()
        assert (motion.back == found[0].back).all()


def test_flow_is_measured_where_it_is_asked_for_and_nothing_is_trusted_elsewhere() -> None:
    alphas = [disc(40, 40, 12), disc(42, 40, 12)]
    front = texture(2)
    looks = [Look(shown(alpha, front, 2.0 * at)) for at, alpha in enumerate(alphas)]
    whole = Motion.between(looks[0], looks[1], FRAME, 1)
    part = Motion.between(looks[0], looks[1], Window(27, 27, 55, 53), 1)
    assert part.window == Window(0, 0, 80, 80)
    inside = alphas[0] > 0.5
    assert np.abs(part.there - whole.there[:, :80, :80])[:, inside[:80, :80]].max() < 0.5
    trust = follow(FRAME, looks, [part])[0].trust
    assert trust[40, 40] > 0.5
    assert (trust[:, 100:] == 0).all()
    nowhere = Motion.between(looks[0], looks[1], Window(0, 0, 0, 0), 1)
    assert (follow(FRAME, looks, [nowhere])[0].trust == 0).all()


@pytest.mark.parametrize("size", [(96, 160), (540, 960), (541, 963), (1080, 1920)])
def test_a_look_is_the_same_whatever_was_looked_at_before(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(8).random((*size, 3), np.float32)
    whole = Look(picture)
    grey, colour = whole.part(whole.frame)
    parts = Look(picture)
    for window in (Window(30, 20, 61, 45), Window(0, 0, 9, 7), Window(70, 50, 96, 80)):
        some_grey, some_colour = parts.part(window)
        assert (some_grey == grey[window.slices(whole.frame)]).all()
        assert (some_colour == colour[window.slices(whole.frame)]).all()
    last = Window(whole.frame.x_max - 5, 0, whole.frame.x_max, whole.frame.y_max)
    assert (parts.part(last)[1] == colour[:, -5:]).all()


def test_trails_end_where_the_picture_does() -> None:
    _, pictures = clip(0.0, frames=2)
    looks = [Look(picture) for picture in pictures]
    out = np.zeros((2, HIGH, WIDE), np.float32)
    out[0] = WIDE
    (trail,) = follow(FRAME, looks, [Motion(FRAME, out, -out)])
    assert (trail.trust == 0).all()
    nowhere = follow(Window(0, 0, 0, 0), looks, [Motion(FRAME, out, -out)])
    assert nowhere[0].trust.size == 0


# Whole pixels of the window in each of the picture's, and not.
@pytest.mark.parametrize("size", [210, 105, 187])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_planes_lie_where_the_picture_has_them(size: int, scale: float) -> None:
    plate = Format(420, 220, 1.0, Window(-20, -10, 440, 230))
    working = working_for(plate, size)
    window = Window(*(math.floor(side * scale) for side in (-20, -10, 440, 230)))
    grid = Grid.of(working, window, scale)
    pixels = identity(Window.sized(window.width, window.height))
    plate_x = (window.x_min + pixels[0] + 0.5) / scale
    plate_y = (window.y_min + pixels[1] + 0.5) / scale
    x, y = (side - 0.5 for side in working.to_picture(plate_x, plate_y))  # type: ignore[arg-type]
    # The picture's own places, spread over a part of the window, are those of its pixels.
    picture = Window.sized(working.width, working.height)
    near = Window(7, 3, working.width - 5, working.height - 4)
    part = Window(60, 35, 130, 77) if scale == 1 else Window(31, 18, 77, 50)
    cut = part.slices(Window.sized(window.width, window.height))
    spread = grid.spread(identity(near), near, part)
    np.testing.assert_allclose(spread, [x[cut], y[cut]], atol=1e-3)
    # Beyond the plane it goes on as it ends.
    ends = grid.spread(identity(near), near, Window.sized(window.width, window.height))
    np.testing.assert_allclose(ends[0], np.clip(x, 7, working.width - 6), atol=1e-3)
    np.testing.assert_allclose(ends[1], np.clip(y, 3, working.height - 5), atol=1e-3)
    # And back: places of the window, as the picture sees them.
    middle = Window(40, 20, 60, 40) if size > 105 else Window(20, 10, 30, 20)
    for side, (plane, wanted) in enumerate(zip(pixels, identity(middle), strict=True)):
        seen = grid.seen(Part(Window.sized(window.width, window.height), plane), middle)
        np.testing.assert_allclose(seen * grid.scale[side] + grid.offset[side], wanted, atol=1e-3)
    place = grid.picture(Window(9, 7, 10, 8))
    assert place.x_min <= x[7, 9] <= place.x_max - 1 <= place.x_min + 1
    assert place.y_min <= y[7, 9] <= place.y_max - 1 <= place.y_min + 1
    assert picture.contains(place)


def test_values_between_pixels_are_interpolated_to_the_last_bit_that_counts() -> None:
    rng = np.random.default_rng(6)
    plane = rng.random((50, 70), np.float32)
    x, y = rng.random((2, 40, 60), np.float32) * np.array([[[68]], [[48]]], np.float32)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - left, y - top
    wanted = (plane[top, left] * (1 - right) + plane[top, left + 1] * right) * (1 - down)
    wanted += (plane[top + 1, left] * (1 - right) + plane[top + 1, left + 1] * right) * down
    places = np.stack([x, y])
    np.testing.assert_allclose(sampled(plane, places), wanted, atol=1e-5)
    beyond = np.full((2, 1, 1), -1, np.float32)
    assert sampled(plane, beyond)[0, 0] == plane[0, 0]
    assert sampled(plane, beyond, outside=-7.0)[0, 0] == -7


def test_what_a_neighbour_knows_is_not_averaged_and_frames_go_on_at_their_borders() -> None:
    alpha = np.full((HIGH, WIDE), 0.25, np.float32)
    trimap = np.full((HIGH, WIDE), 0.5, np.float32)
    trimap[:, 80:] = 1
    # A fortieth of a pixel out of the picture.
    places = identity(FRAME) - np.float32(0.025)
    trail = Trail(FRAME, places, np.ones((HIGH, WIDE), np.float32))
    one = Neighbour(comparable(Part(FRAME, alpha), Part(FRAME, trimap), (HIGH, WIDE)), trail)
    own = np.full((HIGH, WIDE), 0.5, np.float32)
    made = steady_alpha(Part(FRAME, own), np.ones((HIGH, WIDE), np.bool_), [one], GRID, 1.0).values
    weight = math.exp(-0.25)
    wanted = (0.5 + 0.25 * weight) / (1 + weight)
    np.testing.assert_allclose(made[:, :80], wanted, atol=1e-6)
    assert (made[:, 80:] == 0.5).all()


def test_blocks_hold_all_chosen_pixels_once() -> None:
    rng = np.random.default_rng(7)
    for shape in ((1, 1), (33, 70), (64, 32)):
        chosen = rng.random(shape) < 0.004
        chosen[-1, -1] = True
        count = np.zeros(shape, int)
        for block in blocks_of(chosen, 16):
            part = block.slices(Window.sized(shape[1], shape[0]))
            assert chosen[part].any()
            count[part] += 1
        assert count.max() == 1
        assert (count[chosen] == 1).all()
    assert blocks_of(np.zeros((40, 40), np.bool_), 16) == []
    assert blocks_of(np.zeros((0, 0), np.bool_), 16) == []


def test_a_part_is_its_plane() -> None:
    rng = np.random.default_rng(5)
    plane = np.zeros((HIGH, WIDE), np.float32)
    plane[20:50, 90:] = rng.random((30, WIDE - 90), np.float32)
    part = Part.of(plane)
    assert part.values.shape == (30, WIDE - 90)
    assert (part.whole((HIGH, WIDE)) == plane).all()
    nothing = Part.of(np.zeros((HIGH, WIDE), np.float32))
    assert (nothing.whole((HIGH, WIDE)) == 0).all()
    assert (GRID.seen(nothing, FRAME) == 0).all()
