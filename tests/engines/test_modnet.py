"""MODNet: its plumbing on a small network made here, its answers with the real weights."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines import modnet
from airoto_server.engines.classic_matter import SPECS as CLASSIC
from airoto_server.engines.modnet import ModNetMatter, network_size, portrait_confidence
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Matter, Picture
from airoto_server.engines.windowed import matte_in_windows

from .real_files import modnet_folder, real_file

SPEC, ANY = modnet.SPECS

# The astronaut's outline with her helmet, drawn by hand: x, y in pixels of the photo.
OUTLINE = (
    (20, 511), (22, 440), (25, 380), (35, 310), (55, 270), (75, 245), (95, 228), (112, 208),
    (116, 180), (130, 162), (150, 152), (180, 150), (186, 140), (180, 125), (165, 118), (155, 95),
    (153, 75), (165, 50), (185, 30), (215, 17), (250, 16), (280, 28), (297, 55), (301, 85),
    (293, 110), (278, 130), (268, 138), (262, 155), (256, 175), (272, 190), (290, 210),
    (303, 235), (330, 252), (345, 270), (355, 300), (361, 345), (390, 343), (430, 350),
    (465, 375), (488, 405), (496, 440), (500, 458), (511, 475), (511, 511),
)  # fmt: skip


@functools.cache
def engine(any_subject: bool = False) -> ModNetMatter:
    spec = ANY if any_subject else SPEC
    with tempfile.TemporaryDirectory() as folder:
        made = spec.load(LoadOptions(checkpoint=modnet_folder(Path(folder))))
    assert isinstance(made, ModNetMatter)
    return made


def photo(path: Path) -> Picture:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert pixels is not None, path
    return np.ascontiguousarray(pixels[..., ::-1], np.float32) / np.float32(255)


def iou(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    inside = (one > 0.5), (other > 0.5)
    return float((inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum())


@functools.cache
def closed_form() -> npt.NDArray[np.float32]:
    """The astronaut by closed-form matting, from a band of 24 pixels along the outline."""
    inside = np.zeros((512, 512), np.uint8)
    cv2.fillPoly(inside, [np.array(OUTLINE, np.int32)], 1)
    kernel = np.ones((25, 25), np.uint8)
    # Beyond the photo's edges all is as on them.
    sure = cv2.erode(inside, kernel, borderType=cv2.BORDER_REPLICATE)
    maybe = cv2.dilate(inside, kernel, borderType=cv2.BORDER_REPLICATE)
    trimap = np.where(sure == 1, 1, np.where(maybe == 0, 0, 0.5)).astype(np.float32)
    (spec,) = CLASSIC
    matter = spec.load(LoadOptions())
    assert isinstance(matter, Matter)
    picture = photo(real_file("astronaut.png"))
    light = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)

    def picture_of(window):  # type: ignore[no-untyped-def]
        seen = light if matter.facts.linear_light else picture
        return seen[window.y_min : window.y_max, window.x_min : window.x_max].astype(np.float32)

    return matte_in_windows(matter, picture_of, trimap, seed=0, threads=1)


def test_a_portrait_agrees_with_closed_form_matting() -> None:
    found = engine().matte(photo(real_file("astronaut.png")), None, seed=0)
    assert found.confidence > 0.9
    assert found.alpha.dtype == np.float32
    assert iou(found.alpha, closed_form()) > 0.97


@pytest.mark.parametrize("change", ["BGR", "doubled range", "mirrored"])
def test_a_wrong_picture_or_answer_would_be_seen(change: str) -> None:
    """The comparison above fails where the engine's input or output is wrong."""
    picture = photo(real_file("astronaut.png"))
    right = engine().matte(picture, None, seed=0).alpha
    wrong = {
        "BGR": lambda: engine().matte(np.ascontiguousarray(picture[..., ::-1]), None, seed=0).alpha,
        "doubled range": lambda: engine().matte(picture * 0.25, None, seed=0).alpha,
        "mirrored": lambda: right[:, ::-1],
    }[change]()
    assert np.abs(wrong - right).mean() > 1e-3


@pytest.mark.parametrize("name", ["chelsea.png", "coins.png", "coffee.png"])
def test_a_photo_without_a_person_says_so(name: str) -> None:
    found = engine().matte(photo(real_file(name)), None, seed=0)
    assert found.confidence < 0.4
    assert not found.alpha.any()


def test_a_man_seen_from_behind_his_camera_is_a_person() -> None:
    found = engine().matte(photo(real_file("camera.png")), None, seed=0)
    assert found.confidence > 0.9
    assert 0.1 < found.alpha.mean() < 0.6


def test_a_cat_is_matted_by_the_engine_that_takes_anything() -> None:
    cat = photo(real_file("chelsea.png"))
    found = engine(any_subject=True).matte(cat, None, seed=0)
    assert found.confidence > 0.5
    assert found.alpha.mean() > 0.1
    # Without the other engine's question, what is a person stays the same.
    person = photo(real_file("astronaut.png"))
    alphas = [engine(either).matte(person, None, seed=0).alpha for either in (False, True)]
    assert (alphas[0] == alphas[1]).all()


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("davis16/frames/camel/00000.jpg", False),
        ("davis16/frames/camel/00060.jpg", False),
        ("davis16/frames/blackswan/00020.jpg", False),
        ("davis16/frames/car-shadow/00000.jpg", False),
        ("clean-alpha/lemur_on_grass.png", False),
        ("photos/gdino_cat_dog.jpeg", False),
        ("photos/sam2_truck.jpg", False),
        ("alphamatting/image/GT13.png", False),
        ("alphamatting/image/GT25.png", False),
        ("davis16/frames/breakdance/00000.jpg", True),
        ("davis16/frames/breakdance/00060.jpg", True),
        ("davis16/frames/dance-twirl/00030.jpg", True),
        ("davis16/frames/dance-twirl/00080.jpg", True),
    ],
)
def test_frames_with_and_without_people_are_told_apart(
    shared_data: Path, place: str, there: bool
) -> None:
    found = engine().matte(photo(shared_data / place), None, seed=0)
    assert (found.confidence >= 0.5) == there
    assert found.alpha.any() == there


def test_plain_pictures_have_no_subject() -> None:
    rng = np.random.default_rng(3)
    noise = rng.random((300, 400, 3), dtype=np.float32)
    for picture in (noise, np.zeros_like(noise), np.ones_like(noise)):
        assert engine().matte(picture, None, seed=0).confidence < 0.5


@pytest.mark.parametrize("shape", [(512, 512), (40, 700), (1, 1), (1200, 900)])
def test_alpha_has_the_pictures_size_and_range(shape: tuple[int, int]) -> None:
    picture = cv2.resize(photo(real_file("astronaut.png")), shape[::-1])
    found = engine().matte(picture, None, seed=0)
    assert found.alpha.shape == shape
    assert 0 <= found.alpha.min() <= found.alpha.max() <= 1


def test_a_trimap_is_kept_where_it_is_known() -> None:
    picture = photo(real_file("astronaut.png"))
    trimap = np.full((512, 512), 0.5, np.float32)
    trimap[:, :200], trimap[:100] = 1, 0
    alpha = engine().matte(picture, trimap, seed=0).alpha
    known = trimap != 0.5
    assert (alpha[known] == trimap[known]).all()
    with pytest.raises(EngineError, match="trimap"):
        engine().matte(picture, trimap[:10], seed=0)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (896, 512)),
        ((512, 512), (512, 512)),
        ((640, 480), (640, 480)),
        ((100, 50), (1024, 512)),
        ((4000, 40), (2048, 32)),
    ],
)
def test_the_network_sees_the_authors_sizes(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert network_size(*size) == expected


def test_confidence_tells_a_body_from_haze() -> None:
    body = np.zeros((64, 64), np.float32)
    body[16:60, 20:44] = 1
    assert portrait_confidence(body) == 1.0
    assert portrait_confidence(np.full((64, 64), 0.4, np.float32)) == 0.0
    assert portrait_confidence(np.zeros((64, 64), np.float32)) == 0.0


def test_a_trimap_is_not_asked_whether_it_is_a_person() -> None:
    cat = photo(real_file("chelsea.png"))
    trimap = np.full(cat.shape[:2], 0.5, np.float32)
    trimap[:5] = 0
    assert engine().matte(cat, trimap, seed=0).alpha.any()


def test_confidence_is_graded_by_the_detectors_score() -> None:
    graded = [modnet.person_confidence(score) for score in (0.0, 0.1, 0.25, 0.4, 0.5, 1.0)]
    assert graded == pytest.approx([0.0, 0.2, 0.5, 0.8, 1.0, 1.0])


@pytest.mark.parametrize("name", ["modnet.onnx", "persons.pb"])
@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    modnet_folder(tmp_path)
    path = tmp_path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    for given in (tmp_path, tmp_path / "modnet.onnx"):
        with pytest.raises(EngineUnavailableError, match=f"modnet.*{name}"):
            SPEC.load(LoadOptions(checkpoint=given))
    with pytest.raises(EngineUnavailableError, match="checkpoint"):
        SPEC.load(LoadOptions())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pictures_that_are_none_are_refused(bad: float) -> None:
    picture = np.full((64, 64, 3), bad, np.float32)
    with pytest.raises(EngineError):
        engine().matte(picture, None, seed=0)
