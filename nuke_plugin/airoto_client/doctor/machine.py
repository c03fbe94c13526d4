"""Checks of what needs no server: Python, folders, socket, Nuke, the plug-in."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import airoto
from airoto.errors import AIRotoError
from airoto.wire.channel import SERVER_VARIABLE, default_target
from airoto_client.bridge_protocol import scrubbed_environment
from airoto_client.doctor.check import Check, failed, of_error, passed, warned
from airoto_client.local_server import listens
from airoto_client.nuke_setup.places import find_nukes, sightings, start_folders, usual_roots

OLDEST_PYTHON, OLDEST_SERVER_PYTHON = (3, 9), (3, 11)
# A render of a shot needs more than this anyway, so less is worth a word.
_LITTLE_SPACE = 2 << 30

_IMPORT_PLUGIN = """\
import sys
sys.path.insert(0, sys.argv[1])
from airoto_nuke import startup
startup.find_shared_code()
import airoto, airoto_nuke.knobs
sys.stdout.write(airoto.__version__)
"""


def has_server() -> bool:
    """Whether the server's package is installed here."""
    return importlib.util.find_spec("airoto_server") is not None and (
        importlib.util.find_spec("torch") is not None
    )


def python() -> Check:
    """The Python that this runs on."""
    words = f"{platform.python_version()} at {sys.executable}"
    now = sys.version_info[:2]
    if now < OLDEST_PYTHON:
        return failed("Python", words, "install AIRoto with Python 3.9 or newer")
    if now < OLDEST_SERVER_PYTHON and has_server():
        return failed("Python", words, "the server needs Python 3.11 or newer")
    return passed("Python", words)


def installation() -> Check:
    """Which AIRoto this is, and what of it is here."""
    where = f"{airoto.__version__} at {sys.prefix}"
    if has_server():
        return passed("AIRoto", f"{where}, client and server")
    return passed(
        "AIRoto",
        f"{where}, the client alone: no engines and no torch here, all work is done by the server "
        f"that {SERVER_VARIABLE} names",
    )


def folders() -> Iterator[Check]:
    """Whether temporary files can be written, and how much fits."""
    place = Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(prefix="airoto-doctor-") as file:
            file.write(b"0" * 4096)
            file.flush()
        free = shutil.disk_usage(place).free
    except OSError as exc:
        yield failed("folders", f"{place} cannot be written: {exc.strerror}",
                     "make room, or let TMPDIR name another folder")  # fmt: skip
        return
    words = f"temporary files in {place}, {free / 2**30:.1f} GB free"
    if free < _LITTLE_SPACE:
        yield warned("folders", words, "make room, or let TMPDIR name another folder")
    else:
        yield passed("folders", words)


def socket() -> Check:
    """The usual server's place."""
    try:
        target = default_target()
    except AIRotoError as exc:
        return of_error("socket", exc, f"let {SERVER_VARIABLE} name a place with a short path")
    if os.environ.get(SERVER_VARIABLE):
        return passed("socket", f"{target}, named by {SERVER_VARIABLE}")
    path = Path(target.socket)
    if path.parent.exists():
        found = path.parent.stat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            return failed(
                "socket",
                f"{path.parent} has mode {stat.S_IMODE(found.st_mode):o} and owner {found.st_uid}; "
                "it has to be yours, with mode 700",
                f"chmod 700 {path.parent}",
            )
    if listens(path):
        return passed("socket", f"{path}: a server listens")
    then = "commands start their own" if has_server() else "none can be started here"
    return passed("socket", f"{path}: no server listens, {then}")


def nuke(home: Path) -> Check:
    """Which Nukes are installed."""
    found = find_nukes(usual_roots(home))
    if not found:
        return warned("Nuke", "none in the usual places",
                      "nothing, where Nuke is not used here or lies elsewhere")  # fmt: skip
    words = ", ".join(f"{one.name} ({one.folder})" for one in found)
    if not any(one.is_supported for one in found):
        return warned("Nuke", words, "the plug-in needs Nuke 14 or newer")
    return passed("Nuke", words)


def plugin(home: Path, environment: Mapping[str, str]) -> Check:
    """Whether Nuke, started like this command, would find the plug-in, and which."""
    seen, wrong = sightings(start_folders(home, environment))
    if wrong:
        return of_error("plug-in", wrong[0], "install again with --nuke")
    if not seen:
        return warned(
            "plug-in",
            "neither ~/.nuke nor NUKE_PATH lead to it",
            "bash install/install.sh --nuke, or a studio's folder: --nuke FOLDER",
        )
    folders = list(dict.fromkeys(Path(os.path.realpath(one.plugin)) for one in seen))
    first = seen[0]
    if not first.plugin.is_dir():
        return failed("plug-in", f"{first.folder} leads to {first.plugin}, which is not there",
                      "install again, or uninstall")  # fmt: skip
    version = _imported(folders[0])
    if version is None or not re.fullmatch(r"\d+(\.\w+)+", version):
        return failed("plug-in", f"{folders[0]} cannot be imported: {version}", "install again")
    words = f"{folders[0]} ({version}), through {first.folder}"
    if len(folders) > 1:
        others = ", ".join(str(folder) for folder in folders[1:])
        return warned("plug-in", f"{words}; also {others}", "leave one of them in NUKE_PATH")
    if version != airoto.__version__:
        return warned("plug-in", f"{words}, but this command is {airoto.__version__}",
                      "use the command of the same installation")  # fmt: skip
    return passed("plug-in", words)


def _imported(folder: Path) -> str | None:
    """The plug-in's version, as a Python without any packages imports it; else what it said."""
    # -I and -S: as bare as a host; nothing of ours but what lies in the folder.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _IMPORT_PLUGIN, str(folder)],
        env=scrubbed_environment(), capture_output=True, text=True, errors="replace",
        timeout=120, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return done.stdout
    return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
