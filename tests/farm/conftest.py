"""A small sample clip, recipes of it, and the `airoto` command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, make_sample

FRAMES = 8
AIROTO = [sys.executable, "-m", "airoto_client.cli"]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """Eight frames of the sample clip, 192x108; not to be changed."""
    return make_sample(tmp_path_factory.mktemp("clip"), frames=FRAMES, width=192, height=108)


MakeRecipe = Callable[..., Path]


@pytest.fixture
def sample_recipe(clip: SamplePaths, tmp_path: Path) -> MakeRecipe:
    """The file of a recipe for the clip: one object with a box on each of `keys`."""

    def make(out: Path, *, keys: Sequence[int] = (0, 4, 7)) -> Path:
        data = recipes.to_dict(recipes.read(clip.recipe))
        box = {"x_min": 60.0, "y_min": 20.0, "x_max": 130.0, "y_max": 95.0}
        data["plate"]["path"] = str(clip.acescg)
        data["output"]["path"] = str(out / "a.%04d.exr")
        prompts = [{"frame": clip.first + key, "box": box} for key in keys]
        data["objects"] = [{"id": 1, "name": "hero", "prompts": prompts}]
        path = tmp_path / "shot.airoto.json"
        recipes.write(recipes.from_dict(data), path)
        return path

    return make


def airoto(
    *arguments: object, code: int = 0, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command; it has to end with that exit code."""
    ran = subprocess.run(
        [*AIROTO, *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )
    assert ran.returncode == code, f"{ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran
