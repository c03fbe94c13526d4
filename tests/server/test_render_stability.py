"""Edges held steady over time, through a real server: what a matte may depend on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airoto.sequence import Pattern
from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, make_sample
from airoto_server.ops.imagefile import Frame
from airoto_server.ops.score import dtssd
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.render import render as make
from airoto_server.sessions.workshop import Settings, Workshop
from airoto_server.transport.plate import PlateReader

from .conftest import RunningServer
from .rendering import Message, alpha_of, channels, digests, drawn, drawn_recipe, hero, render

FRAMES = 14


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """Longer than what a matte depends on to either side."""
    return make_sample(tmp_path_factory.mktemp("shot"), frames=FRAMES, width=192, height=108)


def matted(shot: SamplePaths, folder: Path, /, **changes: Any) -> Message:
    """The exact alpha on the first frame, carried on as it is: a mask that is wrong later on."""
    quick = {"track": {"engine": "null"}, "matte": {"engine": "classic"}}
    return drawn_recipe(shot, folder / "a.####.exr", **{**quick, **changes})


def alphas_in(folder: Path) -> dict[str, np.ndarray]:
    """The union of every file."""
    return {path.name: alpha_of(path) for path in sorted(folder.glob("*.exr"))}


@pytest.fixture(scope="module")
def whole(
    shot: SamplePaths, server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The shot made in one go, with every layer."""
    folder = tmp_path_factory.mktemp("whole")
    render(server.link, layered(shot, folder))
    return folder


def layered(shot: SamplePaths, folder: Path) -> Message:
    recipe = matted(shot, folder)
    recipe["output"] |= {"trimap": True, "confidence": True}
    return recipe


def pixels_in(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    return {path.name: channels(path) for path in sorted(folder.glob("*.exr"))}


def assert_same_pixels(some: Path, others: Path) -> None:
    """Every channel of every file; headers name the folder, by way of the recipe's hash."""
    a, b = pixels_in(some), pixels_in(others)
    assert a.keys() == b.keys()
    for name, planes in a.items():
        assert planes.keys() == b[name].keys()
        for layer, plane in planes.items():
            assert (plane == b[name][layer]).all(), f"{name} {layer}"


def test_an_objects_matte_does_not_hang_on_the_others(
    shot: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    small = {"frame": shot.first, "points": [{"x": 40.0, "y": 40.0}]}
    corner = {"id": 2, "name": "corner", "prompts": [small]}
    for name, others in (("alone", []), ("beside", matted(shot, tmp_path)["objects"])):
        recipe = matted(shot, tmp_path / name)
        recipe["objects"] = [*others, corner]
        render(server.link, recipe, frames={"first": shot.first, "last": shot.first + 5})
    alone, beside = pixels_in(tmp_path / "alone"), pixels_in(tmp_path / "beside")
    assert len(alone) == 6
    for name, planes in alone.items():
        assert (planes["matte_corner.A"] == beside[name]["matte_corner.A"]).all(), name
        assert beside[name]["matte_hero.A"].any()


@pytest.mark.parametrize("size", [1, 5])
def test_a_shot_in_chunks_is_the_whole_shot(
    shot: SamplePaths, server: RunningServer, whole: Path, tmp_path: Path, size: int
) -> None:
    firsts = list(range(shot.first, shot.last + 1, size))
    # Single frames at both ends and in the middle say as much as all of them.
    for first in firsts if size > 1 else (firsts[0], firsts[7], firsts[-1]):
        last = min(first + size - 1, shot.last)
        render(server.link, layered(shot, tmp_path), frames={"first": first, "last": last})
    if size == 1:
        for name in set(pixels_in(whole)) - set(pixels_in(tmp_path)):
            (tmp_path / name).symlink_to(whole / name)
    assert_same_pixels(tmp_path, whole)


def test_files_that_are_missing_are_made_again_as_they_were(
    shot: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    recipe = layered(shot, tmp_path)
    render(server.link, recipe)
    before = digests(tmp_path)
    for frame in (shot.first + 3, shot.first + 4, shot.last):
        (tmp_path / f"a.{frame:04d}.exr").unlink()
    outcome = render(server.link, recipe)
    assert len(outcome.done) == 3
    assert digests(tmp_path) == before


def test_strength_changes_mattes_and_zero_leaves_every_frame_for_itself(
    shot: SamplePaths, server: RunningServer, whole: Path, tmp_path: Path
) -> None:
    off = matted(shot, tmp_path / "off", matte={"engine": "classic", "stability": 0})
    (tmp_path / "off").mkdir()
    render(server.link, off)
    alone = alphas_in(tmp_path / "off")
    steady = alphas_in(whole)
    assert all((alone[name] != steady[name]).any() for name in alone)
    # Each frame from its own mask, by a call that knows no other frame.
    mask = str(tmp_path / "mask.exr")
    none = {**off, "matte": {"engine": "none"}, "output": {"path": str(tmp_path / "m.####.exr")}}
    frame = shot.first + 5
    render(server.link, none, frames={"first": frame, "last": frame})
    (tmp_path / f"m.{frame:04d}.exr").rename(mask)
    request = {"recipe": off, "frame": frame, "mask": {"path": mask}}
    answer = server.link.call("Matte", request, timeout=60)
    server.link.download(answer["alpha_handle"], tmp_path / "one.exr", encoding="exr")
    found = next(iter(channels(tmp_path / "one.exr").values()))
    # The mask went through half floats on its way.
    assert np.abs(found - alone[f"a.{frame:04d}.exr"]).mean() < 1e-3


def test_mattes_are_steadier_and_closer_to_the_exact_alpha(
    shot: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    keys = range(shot.first, shot.last + 1)
    truths = [alpha_of(Pattern.parse(str(shot.alphas[0])).path(frame)) for frame in keys]
    errors = []
    for strength in (0, 1):
        folder = tmp_path / str(strength)
        folder.mkdir()
        matte = {"engine": "classic", "stability": strength}
        render(server.link, drawn_recipe(shot, folder / "a.####.exr", matte=matte))
        made = list(alphas_in(folder).values())
        sad = sum(float(np.abs(a - t).sum()) for a, t in zip(made, truths, strict=True))
        errors.append((dtssd(made, truths), sad))
    assert errors[1][0] < 0.95 * errors[0][0]
    assert errors[1][1] < 1.02 * errors[0][1]


def test_without_a_matter_the_mask_stays_the_matte(
    shot: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    for strength in (0, 1):
        folder = tmp_path / str(strength)
        folder.mkdir()
        matte = {"engine": "none", "stability": strength}
        render(server.link, matted(shot, folder, matte=matte))
    assert_same_pixels(tmp_path / "0", tmp_path / "1")


def test_prompted_frames_alone_know_neighbours_that_are_prompted_too(
    shot: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    alpha = Pattern.parse(str(shot.alphas[0]))
    first = shot.first

    def made(name: str, frames: tuple[int, ...]) -> dict[str, np.ndarray]:
        (tmp_path / name).mkdir()
        objects = hero(*(drawn(alpha.path(frame), frame) for frame in frames))
        recipe = matted(shot, tmp_path / name, track={"engine": "none"}, objects=objects)
        assert len(render(server.link, recipe).done) == len(frames)
        return alphas_in(tmp_path / name)

    alone = made("alone", (first,))
    apart = made("apart", (first, first + 2))
    beside = made("beside", (first, first + 1))
    name = f"a.{first:04d}.exr"
    assert (alone[name] == apart[name]).all()
    assert (alone[name] != beside[name]).any()


@pytest.mark.parametrize("policy", ["HOLD", "SKIP"])
def test_a_missing_frame_does_no_harm_to_those_around_it(
    shot: SamplePaths, server: RunningServer, tmp_path: Path, policy: str
) -> None:
    plates = tmp_path / "plates"
    plates.mkdir()
    gone = shot.first + 4
    for frame in range(shot.first, shot.last + 1):
        if frame != gone:
            (plates / f"p.{frame}.exr").symlink_to(Pattern.parse(str(shot.acescg)).path(frame))
    plate = {"path": str(plates / "p.####.exr"), "missing_frames": f"MISSING_FRAMES_{policy}"}
    (tmp_path / "out").mkdir()
    outcome = render(server.link, matted(shot, tmp_path / "out", plate=plate))
    assert len(outcome.done) == FRAMES - (policy == "SKIP")
    for name, alpha in alphas_in(tmp_path / "out").items():
        assert 0.02 < alpha.mean() < 0.3, name


@pytest.mark.parametrize("stability", [0.0, 1.0])
def test_every_frame_is_decoded_once(
    shot: SamplePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stability: float
) -> None:
    read: Counter[int] = Counter()
    plain = PlateReader.read

    def counted(self: PlateReader, frame: int) -> Frame:
        read[frame] += 1
        return plain(self, frame)

    monkeypatch.setattr(PlateReader, "read", counted)
    recipe = recipes.from_dict(drawn_recipe(shot, tmp_path / "mattes/a.####.exr"))
    recipe.segment.engine = recipe.track.engine = recipe.matte.engine = "null"
    recipe.matte.stability = stability
    workshop = Workshop(Settings(scratch=tmp_path / "scratch", threads=2))
    try:
        make(workshop, pb.RenderRequest(recipe=recipe), Cancel(), lambda _: None)
    finally:
        workshop.close()
    assert len(read) == FRAMES
    assert set(read.values()) == {1}
