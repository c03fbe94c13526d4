"""Every damaged file we have, as a plate: looked at and segmented by one server that survives."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airoto.errors import AIRotoError, ColourError, InternalError, PlateError, TooLargeError
from airoto_client.grpc_link import GrpcLink
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import Message, hero, sample_recipe

# Formats are told by name, and these fuzzed files have none.
NAMELESS = ("exr/damaged",)


def told(link: GrpcLink, method: str, request: Message) -> Message | AIRotoError:
    try:
        return link.call(method, request, timeout=90)
    except AIRotoError as exc:
        return exc


def looked_at_and_segmented(link: GrpcLink, path: Path) -> list[Message | AIRotoError]:
    """The answers of ProbePlate, and of Segment by the format that it found (or 64x64)."""
    probe = told(link, "ProbePlate", {"plate": {"path": str(path)}})
    plate: Message = {
        "path": str(path),
        "frames": {"first": 1, "last": 1},
        "format": {"width": 64, "height": 64},
    }
    if isinstance(probe, dict):
        plate["format"] = probe["plate"]["format"]
    box = {"x_min": 0, "y_min": 0, "x_max": 1, "y_max": 1}
    window = plate["format"].get("data_window")
    if window:
        left, top = window.get("x_min", 0), window.get("y_min", 0)
        box = {"x_min": left, "y_min": top, "x_max": left + 1, "y_max": top + 1}
    recipe = {
        "version": 1,
        "plate": plate,
        "objects": hero({"frame": 1, "box": box}),
        "segment": {"engine": "null"},
    }
    return [probe, told(link, "Segment", {"recipe": recipe, "frame": 1})]


class Artist(threading.Thread):
    """Somebody who clicks on a good plate, one click after the other, until told to stop."""

    def __init__(self, link: GrpcLink, recipe: Message, frame: int) -> None:
        super().__init__()
        self._link = link
        self._request = {"recipe": recipe, "frame": frame}
        self._enough = threading.Event()
        self.answers: list[Message | AIRotoError] = []

    def run(self) -> None:
        while not self._enough.is_set():
            self.answers.append(told(self._link, "Segment", self._request))

    def stop(self) -> list[Message | AIRotoError]:
        """What was answered."""
        self._enough.set()
        self.join()
        return self.answers


@pytest.fixture(scope="module")
def target(start_server: StartServer) -> RunningServer:
    """One server for all of them."""
    return start_server("--threads", 2)


@pytest.mark.parametrize("folder", ["broken", "exr/damaged", "pngsuite"])
def test_each_file_is_read_or_refused_by_name_and_the_server_survives_them_all(
    shared_data: Path, target: RunningServer, clip: SamplePaths, tmp_path: Path, folder: str
) -> None:
    paths = []
    for source in sorted(path for path in (shared_data / folder).rglob("*") if path.is_file()):
        path = tmp_path / source.name
        if folder in NAMELESS:
            path = tmp_path / f"{source.name.replace('.', '_')}.exr"
        path.symlink_to(source)
        paths.append(path)
    assert len(paths) >= 10
    recipe = sample_recipe(clip, tmp_path / "out.%04d.exr", segment={"engine": "null"})
    artist = Artist(target.link, recipe, clip.first)
    artist.start()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda path: looked_at_and_segmented(target.link, path), paths))
    served = artist.stop()
    assert len(served) > 5
    assert all(isinstance(answer, dict) and answer["objects"] for answer in served)
    refused = 0
    good = [both for path, both in zip(paths, answers, strict=True) if path.name.startswith("ok_")]
    assert not any(isinstance(answer, AIRotoError) for both in good for answer in both)
    for path, both in zip(paths, answers, strict=True):
        for answer in both:
            if not isinstance(answer, AIRotoError):
                continue
            refused += 1
            assert isinstance(answer, (PlateError, TooLargeError)), f"{path.name}: {answer!r}"
            assert not isinstance(answer, (InternalError, ColourError)), f"{path.name}: {answer!r}"
            assert path.name in answer.message, answer.message
            assert "Traceback" not in answer.message
            assert "\n" not in answer.message
    assert refused > 0
    assert refused < 2 * len(paths)
    target.assert_alive()
    assert target.jobs() == []
    print(f"{folder}: {len(paths)} files, {refused} of {2 * len(paths)} calls refused")
