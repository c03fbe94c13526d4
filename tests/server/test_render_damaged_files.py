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
    """The answers of ProbePlate, and of Segment by the format that it found (or 64x64): of the
    file where it lies, and of its content as a client sends it who shares no folder.
    """
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
    request: Message = {"recipe": recipe, "frame": 1}
    return [probe, told(link, "Segment", request), uploaded(link, path, request)]


def uploaded(link: GrpcLink, path: Path, request: Message) -> Message | AIRotoError:
    try:
        handle = link.upload_file(path)["handle"]
    except AIRotoError as exc:
        return exc
    return told(link, "Segment", {**request, "uploads": [{"frame": 1, "handle": handle}]})


class Artist(threading.Thread):
    """Somebody who clicks on a good plate, each time elsewhere, until told to stop."""

    def __init__(self, link: GrpcLink, clip: SamplePaths) -> None:
        super().__init__()
        self._link = link
        self._clip = clip
        self._enough = threading.Event()
        self.answers: list[Message | AIRotoError] = []

    def run(self) -> None:
        while not self._enough.is_set():
            point = {"x": 60.5 + len(self.answers) % 400 / 8, "y": 50.0}
            prompt = {"frame": self._clip.first, "points": [point]}
            recipe = sample_recipe(self._clip, "/tmp/unused.####.exr", objects=hero(prompt))
            request = {"recipe": recipe, "frame": self._clip.first}
            self.answers.append(told(self._link, "Segment", request))

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
    artist = Artist(target.link, clip)
    artist.start()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda path: looked_at_and_segmented(target.link, path), paths))
        # On a slow machine they come again, until clicks enough were answered beside them.
        while artist.is_alive() and len(artist.answers) <= 5:
            looked_at_and_segmented(target.link, paths[0])
    served = artist.stop()
    assert len(served) > 5
    assert all(isinstance(answer, dict) and answer["objects"] for answer in served)
    refused = 0
    good = [all_ for path, all_ in zip(paths, answers, strict=True) if path.name.startswith("ok_")]
    assert not any(isinstance(answer, AIRotoError) for all_ in good for answer in all_)
    for path, all_ in zip(paths, answers, strict=True):
        for answer in all_:
            if not isinstance(answer, AIRotoError):
                continue
            refused += 1
            assert isinstance(answer, (PlateError, TooLargeError)), f"{path.name}: {answer!r}"
            assert not isinstance(answer, (InternalError, ColourError)), f"{path.name}: {answer!r}"
            assert path.name in answer.message, answer.message
            assert "Traceback" not in answer.message
            assert "\n" not in answer.message
    assert refused > 0
    assert refused < 3 * len(paths)
    target.assert_alive()
    assert target.jobs() == []
    print(f"{folder}: {len(paths)} files, {refused} of {3 * len(paths)} calls refused")
