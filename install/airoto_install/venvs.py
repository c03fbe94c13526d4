"""Steps that make a venv and install into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import OutOfSpaceError, OutputError
from airoto_install.commands import run
from airoto_install.devices import PIPS_BUILD, TorchIndex
from airoto_install.plan import Tell
from airoto_install.pythons import Python


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
        run(command, f"making the venv {self.folder}", offline=True)


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
        run(command, "building AIRoto's wheel", offline=False)


@dataclass(frozen=True)
class PipInstall:
    """Packages into a venv.

    Attributes:
        wheels: where AIRoto's own wheel is, and with `offline` every other one.
        extra: `server`, or empty for the client alone.
        offline: no index is asked.
        torch_index: where torch comes from.
    """

    venv: Path
    wheels: Path
    extra: str
    constraints: Path
    offline: bool = False
    torch_index: TorchIndex = PIPS_BUILD

    def lines(self) -> Sequence[str]:
        what = f"airoto[{self.extra}]" if self.extra else "airoto (the client alone)"
        where = f"from {self.wheels}, without any network" if self.offline else "by pip"
        first = f"install {what} {where}, versions as in {self.constraints.name}"
        if not self.torch_index.url or not self.extra:
            return (first,)
        else_ = "" if self.torch_index.needed else "; if that cannot be reached, pip's own build"
        return (first, f"torch from {self.torch_index.url}{else_}")

    def apply(self, tell: Tell) -> None:
        pip = [str(venv_python(self.venv)), "-m", "pip"]
        options = ["--quiet", "--disable-pip-version-check", "--no-input"]
        options += ["-c", str(self.constraints)]
        if self.torch_index.url and self.extra:
            self._torch(pip, options, tell)
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
        run(command, f"installing {wanted}", offline=self.offline)
        run([*pip, "check"], "checking what was installed", offline=True)

    def _torch(self, pip: list[str], options: list[str], tell: Tell) -> None:
        command = [*pip, "install", *options, "--index-url", self.torch_index.url]
        if self.torch_index.needed:
            run([*command, "torch"], "installing torch", offline=False)
            return
        try:
            command += ["--retries", "1", "--timeout", "20", "torch"]
            run(command, "installing torch", offline=False)
        except OutOfSpaceError:
            raise
        except OutputError as exc:
            why = exc.message.splitlines()[-1].strip()
            tell(
                f"  warning: no torch from {self.torch_index.url} ({why}); pip's own build will "
                "do, which is larger"
            )


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
        run(command, self.what, offline=True)


def venv_python(venv: Path) -> Path:
    """Its interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def venv_command(venv: Path) -> Path:
    """Its `airoto`."""
    return venv / ("Scripts/airoto.exe" if os.name == "nt" else "bin/airoto")
