"""A double of Nuke, a real server behind a real bridge, a small clip."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(HERE / "nuke_double"))
for root in ("nuke_plugin", "proto"):
    if str(REPOSITORY / root) not in sys.path:
        sys.path.append(str(REPOSITORY / root))

pytest.importorskip("numpy", reason="the double of Nuke needs numpy and OpenImageIO")
pytest.importorskip("OpenImageIO", reason="the double of Nuke needs OpenImageIO")

AIROTO = Path(sys.executable).with_name("airoto")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The target of a server that sees all files, ended with the tests."""
    from serving import running_server

    with running_server() as target:
        yield target


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip's folder: 6 frames, 192x108."""
    from airoto_server.app.sample import make_sample

    folder = tmp_path_factory.mktemp("clip")
    make_sample(folder, frames=6, width=192, height=108)
    return folder


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes find the AIRoto of this environment, and only that."""
    monkeypatch.setenv("AIROTO_COMMAND", str(AIROTO))
    monkeypatch.delenv("AIROTO_SERVER", raising=False)
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _links() -> Iterator[None]:
    """No bridge outlives the tests."""
    yield
    from airoto_client.node import links

    links.close_all()


@pytest.fixture
def studio(tmp_path: Path, clip: Path, server: str) -> Iterator[object]:
    """A session with windows, a saved script, the clip's Read and the server's address."""
    from studio import Studio

    made = Studio(tmp_path / "shots", clip, server, gui=True)
    yield made
    assert made.app.errors == [], "callbacks raised"


@pytest.fixture
def terminal(tmp_path: Path, clip: Path, server: str) -> Iterator[object]:
    """The same without windows, as in `nuke -t`."""
    from studio import Studio

    made = Studio(tmp_path / "shots", clip, server, gui=False)
    yield made
    assert made.app.errors == [], "callbacks raised"
