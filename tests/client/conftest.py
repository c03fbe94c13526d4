"""A server process to talk to, and the command line as a process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_TOY = Path(__file__).with_name("toy_server.py")


@dataclass
class ToyProcess:
    """The toy server as tests see it."""

    target: str
    journal_file: Path
    process: subprocess.Popen[bytes]

    def journal(self) -> list[str]:
        """What it was asked to do."""
        return self.journal_file.read_text().splitlines() if self.journal_file.exists() else []

    def wait_for(self, line: str) -> bool:
        """Whether it writes that line within a while."""
        end = time.monotonic() + 20
        while line not in self.journal() and time.monotonic() < end:
            time.sleep(0.02)
        return line in self.journal()


StartToy = Callable[..., ToyProcess]


@pytest.fixture(scope="session")
def bridge_command() -> list[str]:
    """How to start the bridge, less its server; found where the tests found it.

    The link takes PYTHONPATH away, and the packages need not be installed to be tested.
    """
    script = f"import sys; sys.path[:0] = {sys.path!r}; from airoto_client.cli import main; "
    return [sys.executable, "-c", script + "sys.exit(main())", "bridge", "--server"]


@pytest.fixture(scope="session")
def socket_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, whatever pytest's own is."""
    folder = Path(tempfile.mkdtemp(prefix="airoto-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_toy(socket_folder: Path) -> Iterator[StartToy]:
    """Start toy servers; `hide` names folders that they say they do not see."""
    with contextlib.ExitStack() as stack:

        def start(*, hide: tuple[Path, ...] = ()) -> ToyProcess:
            folder = Path(tempfile.mkdtemp(dir=socket_folder))
            journal = folder / "journal"
            command = [sys.executable, str(_TOY), "--socket", str(folder / "s")]
            command += ["--journal", str(journal)]
            for place in hide:
                command += ["--hide", str(place)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(_end, process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"serving\n"
            return ToyProcess(f"unix:{folder / 's'}", journal, process)

        yield start


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


@pytest.fixture
def toy(start_toy: StartToy) -> ToyProcess:
    """A toy server that sees every file."""
    return start_toy()


@dataclass
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, kind: str) -> list[dict[str, object]]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]


@dataclass
class CommandLine:
    """`python -m airoto_client.cli` in a folder, with an environment of its own."""

    folder: Path
    environment: dict[str, str]

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start it and do not wait."""
        return subprocess.Popen(
            [sys.executable, "-m", "airoto_client.cli", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> Ran:
        """Run it to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return Ran(process.returncode, out, err)


@pytest.fixture
def cli(tmp_path: Path, socket_folder: Path) -> CommandLine:
    """The command line, where no server runs by default."""
    environment = {
        k: v for k, v in os.environ.items() if k == "AIROTO_CACHE" or not k.startswith("AIROTO")
    }
    environment["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(dir=socket_folder)
    environment["NO_COLOR"] = "1"
    return CommandLine(tmp_path, environment)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Five files that stand for frames 1001 to 1005."""
    folder = tmp_path / "plates"
    folder.mkdir()
    for frame in range(1001, 1006):
        (folder / f"hero.{frame}.exr").write_bytes(bytes([frame % 256]) * 200_000)
    return folder / "hero.%04d.exr"


@pytest.fixture
def recipe_file(tmp_path: Path, plate: Path) -> Callable[..., Path]:
    """Write a recipe of that plate, its paths relative."""

    def write(name: str = "", **output: object) -> Path:
        recipe = {
            "version": 1,
            "name": name,
            "plate": {
                "path": f"plates/{plate.name}",
                "frames": {"first": 1001, "last": 1005},
                "format": {"width": 1920, "height": 1080},
            },
            "objects": [
                {
                    "id": 1,
                    "name": "hero",
                    "prompts": [{"frame": 1001, "points": [{"x": 812.5, "y": 455.5}]}],
                }
            ],
            "output": {"path": "out/mattes/hero.%04d.exr", **output},
        }
        path = tmp_path / "shot.airoto.json"
        path.write_text(json.dumps(recipe))
        return path

    return write
