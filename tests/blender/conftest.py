"""Real Blender (`bpy` of PyPI, in an environment of its own) and a real server.

`bpy` is one process and its state is global, so every piece runs in a process of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for one in (HERE, HERE.parents[1] / "blender_plugin"):
    if str(one) not in sys.path:
        sys.path.append(str(one))

pytest.importorskip("OpenImageIO", reason="what Blender rendered is read with OpenImageIO")

from in_blender import BLENDER, Shot, roto  # noqa: E402 - after the folder is known

from airoto_client.local_server import LocalServer  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if BLENDER.is_file():
        return
    reason = "Blender's bpy is not installed (.venv-bpy; install/test.sh makes it where it can)"
    for item in items:
        needs = "shot" in getattr(item, "fixturenames", ())
        if needs and HERE in Path(str(item.path)).parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip: 4 frames, 192x108."""
    from airoto_server.app.sample import make_sample

    folder = tmp_path_factory.mktemp("clip")
    make_sample(folder, frames=4, width=192, height=108)
    return folder


@pytest.fixture
def new_server() -> Iterator[Callable[[], LocalServer]]:
    """Starts servers that end with the test."""
    started: list[LocalServer] = []

    def start() -> LocalServer:
        started.append(LocalServer(waiting=lambda _: None, options=("--threads", "1")))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The target of a server that lives as long as the tests."""
    one = LocalServer(waiting=lambda _: None, options=("--threads", "1"))
    yield one.target
    one.stop()


@pytest.fixture
def shot(tmp_path: Path, clip: Path, server: str) -> Shot:
    """Where one test works."""
    return Shot(tmp_path, clip, server)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, clip: Path, server: str) -> Path:
    """The same recipe through the command line: `matte.<frame>.exr`."""
    out = tmp_path_factory.mktemp("reference")
    roto(f"{clip}/plate_acescg/plate.%04d.exr", "ACEScg", "null", out=out, server=server)
    return out
