"""The detector of people: how its file is read, its network, and what it says of a matte."""

from __future__ import annotations

import functools
import struct
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from airoto.errors import EngineUnavailableError
from airoto_server.engines.graph_constants import read_constants
from airoto_server.engines.person_check import PersonCheck
from airoto_server.engines.person_ssd import SIDE, PersonDetector, expected_tensors

from .real_files import real_file

# ---- a frozen graph, written by hand --------------------------------------------------


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def constant(name: str, shape: tuple[int, ...], values: bytes, *, kind: int = 1) -> bytes:
    dims = b"".join(field(2, field(1, side)) for side in shape)
    tensor = field(1, kind) + field(2, dims) + values
    attribute = field(1, b"value") + field(2, field(8, tensor))
    return field(1, field(1, name.encode()) + field(2, b"Const") + field(5, attribute))


def test_constants_are_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(
        constant("bytes", (2, 2), field(4, struct.pack("<4f", 1, 2, 3, 4)))
        + constant("numbers", (3,), field(5, struct.pack("<2f", 5, 6)))
        + constant("scalar", (), field(4, struct.pack("<f", 7)))
        + constant("integers", (1,), field(4, struct.pack("<i", 8)), kind=3)
        + field(1, field(1, b"sum") + field(2, b"Add") + field(3, b"bytes"))
        + field(4, b"versions")
    )
    found = read_constants("modnet", path)
    assert found.keys() == {"bytes", "numbers", "scalar"}
    assert found["bytes"].tolist() == [[1, 2], [3, 4]]
    assert found["numbers"].tolist() == [5, 6, 6]
    assert found["scalar"].shape == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 40,
        field(4, b"versions"),
        constant("short", (3,), b""),
        constant("long", (1,), field(4, bytes(16))),
        constant("odd", (1,), field(4, bytes(3))),
        constant("huge", (1 << 40,), field(4, bytes(4))),
        constant("negative", ((1 << 64) - 1,), field(4, bytes(4))),
        b"".join(constant(f"many{each}", (300,), field(4, bytes(4))) for each in range(9)),
        field(1, field(1, b"x") + field(2, 1 << 40)),
        field(1, field(1, b"x") + field(2, b"Const") + field(5, field(1, b"value") + field(2, 3))),
        constant("cut", (2,), field(4, bytes(8)))[:-3],
        b"\x0b",
    ],
    ids=[
        *("empty", "noise", "none", "short", "long", "odd", "huge", "negative", "many"),
        *("operation", "number", "cut", "group"),
    ],
)
def test_a_damaged_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "persons.pb"
    path.write_bytes(content)
    with pytest.raises(EngineUnavailableError, match=r"modnet.*persons\.pb"):
        read_constants("modnet", path)


def test_any_cut_or_changed_graph_is_read_or_refused(tmp_path: Path) -> None:
    whole = b"".join(
        constant(f"c{side}", (side, 2), field(4, bytes(side * 8))) for side in range(1, 9)
    )
    path, rng = tmp_path / "persons.pb", np.random.default_rng(5)
    for turn in range(400):
        data = bytearray(whole[: int(rng.integers(len(whole)))] if turn % 2 else whole)
        for place in rng.integers(0, max(1, len(data)), 3):
            if place < len(data):
                data[place] = int(rng.integers(256))
        path.write_bytes(bytes(data))
        try:
            read_constants("modnet", path)
        except EngineUnavailableError:
            continue


@pytest.mark.parametrize("fault", ["missing", "misshapen"])
def test_another_network_is_refused(fault: str) -> None:
    tensors = {name: np.zeros(shape, np.float32) for name, shape in expected_tensors().items()}
    name = "BoxPredictor_0/ClassPredictor/weights"
    if fault == "missing":
        del tensors[name]
    else:
        tensors[name] = tensors[name][..., :3]
    with pytest.raises(EngineUnavailableError, match=f"persons.pb .*{name}"):
        PersonDetector("modnet", Path("persons.pb"), tensors)


# ---- the released network -------------------------------------------------------------


@functools.cache
def detector() -> PersonDetector:
    path = real_file("persons.pb")
    return PersonDetector("modnet", path, read_constants("modnet", path))


@functools.cache
def check() -> PersonCheck:
    return PersonCheck("modnet", real_file("persons.pb"))


def photo(name: str) -> npt.NDArray[np.float32]:
    pixels = cv2.imread(str(real_file(name)), cv2.IMREAD_COLOR)
    assert pixels is not None, name
    return np.ascontiguousarray(pixels[..., ::-1], np.float32) / np.float32(255)


# What TensorFlow 2.21 says of the released graph for the photo at 300x300 (cv2.INTER_AREA): its
# best score, and that box as x_min, y_min, x_max, y_max. It was run beside ours once.
TENSORFLOW = {
    "astronaut.png": (0.9306580424, (0.0061421692, 0.0662145913, 0.7313342094, 0.9948903322)),
    "camera.png": (0.9892321825, (0.0, 0.1321019828, 0.5871834755, 1.0)),
    "chelsea.png": (0.0165138897, (0.7941842079, 0.1727044433, 0.9427839518, 0.4541169405)),
    "coffee.png": (0.0026730222, (0.4340217710, 0.0131538659, 0.7640073895, 0.1725397557)),
}


@pytest.mark.parametrize("name", TENSORFLOW)
def test_the_network_agrees_with_tensorflow(name: str) -> None:
    whole = np.rint(photo(name) * 255).astype(np.uint8)
    square = cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    scores, boxes = detector().boxes(square[None].astype(np.float32) / np.float32(255))
    assert scores.shape == (1, 1917)
    best = int(scores[0].argmax())
    score, box = TENSORFLOW[name]
    assert scores[0, best] == pytest.approx(score, abs=1e-5)
    assert np.clip(boxes[0, best], 0, 1) == pytest.approx(box, abs=1e-5)


def test_a_person_counts_where_the_matte_is() -> None:
    picture = photo("astronaut.png")
    alpha = np.zeros(picture.shape[:2], np.float32)
    assert check().score(picture, alpha) == 0
    beside = alpha.copy()
    beside[:120, 400:] = 1
    assert check().score(picture, beside) < 0.25
    person = alpha.copy()
    person[60:, 60:340] = 1
    assert check().score(picture, person) > 0.9


@pytest.mark.parametrize("side", [48, 700])
def test_a_small_person_in_a_large_picture_is_found(side: int) -> None:
    """The whole picture shows her at a tenth of its width: a look at the matte finds her."""
    small = cv2.resize(photo("astronaut.png"), (160, 160), interpolation=cv2.INTER_AREA)
    picture = np.full((900, 1600, 3), 0.35, np.float32)
    alpha = np.zeros(picture.shape[:2], np.float32)
    picture[side : side + 160, side : side + 160] = small
    alpha[side + 20 : side + 160, side + 15 : side + 110] = 1
    assert check().score(picture, alpha) > 0.5
    # It is deterministic, whatever was asked in between.
    assert check().score(picture, alpha) == check().score(picture, alpha)


@pytest.mark.parametrize("shape", [(1, 1), (32, 2048), (2048, 32)])
def test_pictures_of_any_shape_are_looked_at(shape: tuple[int, int]) -> None:
    alpha = np.ones(shape, np.float32)
    assert 0 <= check().score(np.full((*shape, 3), 0.5, np.float32), alpha) < 0.25
