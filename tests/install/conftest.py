"""A scratch home, and the installer as a user runs it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("driver.py")

sys.path.append(str(ROOT / "install"))


class Scratch:
    """A home of its own; the installer sees only that."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self.runtime = runtime
        self.home = folder / "höme of me"
        self.home.mkdir()
        self.prefix = self.home / "apps" / "AI roto"
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "AIROTO_PYTHON": sys.executable,
            # pytest's folders can be too long for a socket's path.
            "XDG_RUNTIME_DIR": self.runtime,
        }

    def run(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        """The installer, with a light build in place of venv and packages (see driver.py)."""
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def command(self, *arguments: object) -> list[str]:
        """The command line of `run`."""
        words = [str(argument) for argument in arguments]
        if "--prefix" not in words:
            words += ["--prefix", str(self.prefix)]
        return [sys.executable, str(DRIVER), *words]

    def must(self, *arguments: object, **more: str) -> str:
        """`run`, which has to succeed; what it said."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *arguments: object, **more: str) -> subprocess.Popen[str]:
        """The installer, at the moment when it has begun to build and waits."""
        process = subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, "AIROTO_TEST_FAULT": "wait", **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Whoever runs the tests in a shell's background has SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            if line.strip() == "waiting":
                return process
            said.append(line)
        raise AssertionError("it did not begin to build:\n" + "".join(said))

    def tree(self) -> dict[str, tuple[int, str]]:
        """Every file, folder and link of the home: its mode, and its content's hash or target."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            if path.is_symlink():
                what = f"-> {path.readlink()}"
            elif path.is_dir():
                what = "folder"
            else:
                what = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(self.home))] = (path.lstat().st_mode, what)
        return found

    def answer(self) -> str:
        """What the installed command says."""
        command = [str(self.prefix / "bin" / "airoto")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """A scratch home."""
    with tempfile.TemporaryDirectory(prefix="airoto-run-") as runtime:
        yield Scratch(tmp_path, runtime)
