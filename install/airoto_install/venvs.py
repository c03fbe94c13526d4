"""Steps that make a venv and install into it, and the Python that it is made with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError, EngineUnavailableError, OutOfSpaceError, OutputError
from airoto_install.plan import Tell

SERVER_PYTHONS = ((3, 11), (3, 12), (3, 13))
CLIENT_PYTHONS = (*SERVER_PYTHONS, (3, 10), (3, 9))

_ASK = (
    "import sys, venv, ensurepip; "
    "sys.stdout.write('%d %d %s' % (*sys.version_info[:2], sys.executable))"
)
_TAIL_LINES = 15


@dataclass(frozen=True)
class Python:
    """A Python that can make venvs.

    Attributes:
        version: `(3, 11)`.
        path: what starts it, its links resolved by itself.
    """

    version: tuple[int, int]
    path: Path

    @property
    def name(self) -> str:
        """`3.11`."""
        return "{}.{}".format(*self.version)


def find_python(wanted: Sequence[tuple[int, int]], named: str = "") -> Python:
    """The first Python of these versions that runs and can make venvs.

    Args:
        wanted: versions, the best first.
        named: one that the user named; no other is looked at then.

    Raises:
        EngineUnavailableError: there is none; says what was looked for.
    """
    versions = ", ".join("{}.{}".format(*version) for version in sorted(wanted))
    if named:
        found = _ask(named)
        if found is None or found.version not in wanted:
            what = "cannot make venvs" if found is None else f"is Python {found.name}"
            raise EngineUnavailableError(
                f"{named} {what}; allowed: Python {versions} with venv and ensurepip"
            )
        return found
    for version in wanted:
        for candidate in _candidates(version):
            found = _ask(candidate)
            if found is not None and found.version == version:
                return found
    raise EngineUnavailableError(
        f"no Python of {versions} with venv and ensurepip was found",
        hint="install one (Debian, Ubuntu: python3-venv too), or name it with --python",
    )


def _candidates(version: tuple[int, int]) -> Iterator[str]:
    if sys.version_info[:2] == version:
        yield sys.executable
    name = "python{}.{}".format(*version)
    places = os.environ.get("PATH", "").split(os.pathsep)
    places += ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"]
    for place in dict.fromkeys(places):
        if place and os.access(Path(place) / name, os.X_OK):
            yield str(Path(place) / name)
    for folder in sorted(
        Path.home().glob(".pyenv/versions/{}.{}.*".format(*version)), reverse=True
    ):
        yield str(folder / "bin" / "python")


def _ask(command: str) -> Python | None:
    try:
        answer = subprocess.run(
            [command, "-I", "-c", _ASK], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    major, minor, path = answer.stdout.split(" ", 2)
    return Python((int(major), int(minor)), Path(path))


def clean_environment(*, offline: bool) -> dict[str, str]:
    """The environment without what would change where pip installs to, or what it imports.

    Args:
        offline: also without anything that leads pip to other packages than the bundle's.
    """
    gone = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX",
            "PIP_REQUIRE_VIRTUALENV", "__PYVENV_LAUNCHER__"}  # fmt: skip
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in gone and not (offline and name.startswith("PIP_"))
    }
    if offline:
        kept["PIP_CONFIG_FILE"] = os.devnull
    return kept


def run(command: Sequence[str], what: str, *, offline: bool, tell: Tell) -> str:
    """Run a command to its end; its output is what it said on standard output.

    Raises:
        OutOfSpaceError: it says that the disk is full.
        OutputError: it failed; with the end of what it said.
    """
    try:
        done = subprocess.run(
            list(command),
            env=clean_environment(offline=offline),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as exc:
        raise OutputError(f"{what}: cannot run {command[0]}: {exc.strerror}") from exc
    if done.returncode == 0:
        return done.stdout
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    tail = "\n  ".join(said[-_TAIL_LINES:])
    kind: type[AIRotoError] = OutputError
    if "No space left on device" in tail or "Errno 28" in tail:
        kind = OutOfSpaceError
    ended = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else "it failed"
    raise kind(f"{what}: {ended}; the end of what it said:\n  {tail}")


@dataclass(frozen=True)
class MakeVenv:
    """A venv with pip of its own."""

    python: Python
    folder: Path

    def lines(self) -> Sequence[str]:
        return (f"make a venv of Python {self.python.name} ({self.python.path}): {self.folder}",)

    def apply(self, tell: Tell) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)
        command = [str(self.python.path), "-I", "-m", "venv", str(self.folder)]
        run(command, f"making the venv {self.folder}", offline=True, tell=tell)


@dataclass(frozen=True)
class BuildWheel:
    """AIRoto's own wheel, from its source."""

    python: Path
    source: Path
    folder: Path

    def lines(self) -> Sequence[str]:
        return (f"build AIRoto's wheel from {self.source} into {self.folder}",)

    def apply(self, tell: Tell) -> None:
        command = [str(self.python), "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "-w", str(self.folder), str(self.source)]
        run(command, "building AIRoto's wheel", offline=False, tell=tell)


@dataclass(frozen=True)
class PipInstall:
    """Packages into a venv.

    Attributes:
        wheels: where AIRoto's own wheel is, and with `offline` every other one.
        extra: `server`, or empty for the client alone.
        offline: no index is asked.
        torch_index: address of an index that torch alone is taken from, or empty.
    """

    venv: Path
    wheels: Path
    extra: str
    constraints: Path
    offline: bool = False
    torch_index: str = ""

    def lines(self) -> Sequence[str]:
        what = f"airoto[{self.extra}]" if self.extra else "airoto (the client alone)"
        where = f"from {self.wheels}, without any network" if self.offline else "by pip"
        first = f"install {what} {where}, versions as in {self.constraints.name}"
        return (first, f"torch from {self.torch_index}") if self.torch_index else (first,)

    def apply(self, tell: Tell) -> None:
        pip = [str(venv_python(self.venv)), "-m", "pip"]
        options = ["--quiet", "--disable-pip-version-check", "--no-input"]
        options += ["-c", str(self.constraints)]
        if self.torch_index and self.extra:
            torch = ["install", *options, "--index-url", self.torch_index, "torch"]
            run([*pip, *torch], "installing torch", offline=False, tell=tell)
        own = sorted(self.wheels.glob("airoto-*.whl"))
        if len(own) != 1:
            raise OutputError(f"{self.wheels} must hold one wheel of AIRoto, but holds {len(own)}")
        # The name alone lets pip choose the wheel; a path may hold what pip takes for an address.
        version = own[0].name.split("-")[1]
        wanted = f"airoto[{self.extra}]=={version}" if self.extra else f"airoto=={version}"
        sources = ["--find-links", str(self.wheels)]
        if self.offline:
            sources.append("--no-index")
        command = [*pip, "install", *options, *sources, wanted]
        run(command, f"installing {wanted}", offline=self.offline, tell=tell)
        run([*pip, "check"], "checking what was installed", offline=True, tell=tell)


@dataclass(frozen=True)
class RunInVenv:
    """Something of AIRoto's own that is run once, such as what compiles."""

    venv: Path
    arguments: tuple[str, ...]
    what: str

    def lines(self) -> Sequence[str]:
        return (f"{self.what}: python {' '.join(self.arguments)}",)

    def apply(self, tell: Tell) -> None:
        command = [str(venv_python(self.venv)), *self.arguments]
        run(command, self.what, offline=True, tell=tell)


def venv_python(venv: Path) -> Path:
    """Its interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def venv_command(venv: Path) -> Path:
    """Its `airoto`."""
    return venv / ("Scripts/airoto.exe" if os.name == "nt" else "bin/airoto")
