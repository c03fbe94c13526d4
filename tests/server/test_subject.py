"""A recipe without prompts: the matter finds the subject. With MODNet's real weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from airoto.errors import EngineUnavailableError, RecipeError

from ..engines.real_files import modnet_folder, real_file
from .conftest import RunningServer, StartServer
from .rendering import Message, channels, render

SIZE = 256


@pytest.fixture(scope="module")
def portraits(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """A server that may use MODNet."""
    weights = modnet_folder(tmp_path_factory.mktemp("weights") / "modnet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIROTO_WEIGHTS", str(weights.parent))
        patch.setenv("AIROTO_LICENSES", "CC-BY-NC-SA-4.0")
        server = start_server("--threads", 2)
        server.link.call("GetServerInfo", {}, timeout=60)
    return server


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut on four frames, and nobody on the fifth."""
    folder = tmp_path_factory.mktemp("portrait")
    photo = cv2.resize(cv2.imread(str(real_file("astronaut.png"))), (SIZE, SIZE))
    for frame in range(1, 6):
        shifted = np.roll(photo, frame, axis=1) if frame < 5 else np.full_like(photo, 90)
        cv2.imwrite(str(folder / f"p.{frame:04d}.png"), shifted)
    return folder


def recipe(clip: Path, out: Path, engine: str = "modnet") -> Message:
    return {
        "version": 1,
        "plate": {
            "path": f"{clip}/p.####.png",
            "frames": {"first": 1, "last": 5},
            "format": {"width": SIZE, "height": SIZE},
        },
        "objects": [{"id": 1, "name": "subject"}],
        "matte": {"engine": engine},
        "output": {"path": f"{out}/m.####.exr"},
    }


def test_every_frame_is_matted_and_one_without_a_subject_says_so(
    portraits: RunningServer, clip: Path, tmp_path: Path
) -> None:
    outcome = render(portraits.link, recipe(clip, tmp_path))
    assert outcome.done == [1, 2, 3, 4, 5]
    sure = [outcome.frames[frame]["objects"][0].get("confidence", 0.0) for frame in range(1, 6)]
    assert min(sure[:4]) > 0.9
    assert sure[4] < 0.5
    assert len(outcome.warnings) == 1
    assert "no subject was found (modnet looks for a person" in outcome.warnings[0]
    found = channels(tmp_path / "m.0002.exr")
    assert 0.3 < found["matte_subject.A"].mean() < 0.7
    assert not channels(tmp_path / "m.0005.exr")["A"].any()
    used = outcome.plan["provenance"]["engines"]
    assert [(one["role"], one["name"]) for one in used] == [("ENGINE_ROLE_MATTER", "modnet")]


def test_a_frame_alone_is_the_same_as_in_its_clip(
    portraits: RunningServer, clip: Path, tmp_path: Path
) -> None:
    render(portraits.link, recipe(clip, tmp_path / "all"))
    render(portraits.link, recipe(clip, tmp_path / "one"), frames={"first": 3, "last": 3})
    whole = channels(tmp_path / "all" / "m.0003.exr")["A"]
    assert (channels(tmp_path / "one" / "m.0003.exr")["A"] == whole).all()


@pytest.mark.parametrize(("engine", "found"), [("modnet", False), ("modnet-any", True)])
def test_an_animal_is_a_subject_for_the_engine_that_takes_anything(
    portraits: RunningServer, tmp_path: Path, engine: str, found: bool
) -> None:
    cat = cv2.imread(str(real_file("chelsea.png")))
    cv2.imwrite(str(tmp_path / "p.0009.png"), cat)
    asked = recipe(tmp_path, tmp_path, engine)
    asked["plate"]["frames"] = {"first": 9, "last": 9}
    asked["plate"]["format"] = {"width": cat.shape[1], "height": cat.shape[0]}
    outcome = render(portraits.link, asked)
    sure = outcome.frames[9]["objects"][0].get("confidence", 0.0)
    assert (sure >= 0.5) == found
    assert channels(tmp_path / "m.0009.exr")["A"].any() == found
    # A click's answer says the same.
    alone = portraits.link.call("Matte", {"recipe": asked, "frame": 9})
    assert (alone["confidence"] >= 0.5) == found
    said = "; ".join(outcome.warnings), "; ".join(alone.get("notes", ()))
    assert ["no subject was found" in each for each in said] == [not found, not found]


def test_a_single_frame_needs_no_guide(portraits: RunningServer, clip: Path) -> None:
    answer = portraits.link.call("Matte", {"recipe": recipe(clip, clip), "frame": 1})
    assert answer["alpha_handle"]
    assert not answer.get("trimap_handle")


def test_a_matter_that_needs_a_trimap_is_refused(
    portraits: RunningServer, clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="'classic' finds no subject"):
        render(portraits.link, recipe(clip, tmp_path, "classic"))


def test_its_licence_has_to_be_allowed(server: RunningServer, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="modnet"):
        render(server.link, recipe(clip, tmp_path))
