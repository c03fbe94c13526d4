"""Another user of the machine reaches nothing of a server's: no socket, plate, matte or token.

They are really another user: a child that gave up root's rights.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airoto_client.grpc_link import GrpcLink
from airoto_client.local_server import LocalServer
from airoto_server.app.sample import SamplePaths

from .rendering import drawn_recipe, render

NOBODY = 65534

# Tries to connect to sockets and open files and ports; prints what worked.
STRANGER = """
import json, os, socket, sys
assert os.getuid() == int(sys.argv[1])
worked = []
for place in json.load(sys.stdin):
    try:
        if place.endswith(".sock"):
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(place)
        elif os.path.isdir(place):
            os.listdir(place)
        else:
            open(place, "rb").close()
        worked.append(place)
    except PermissionError:
        pass
print(json.dumps(worked))
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user (CI runs as root)"
)


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those that pytest makes."""
    folder = Path(tempfile.mkdtemp(prefix="airoto-open-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def reached_by_a_stranger(places: list[Path]) -> list[str]:
    # The interpreter may lie where a stranger cannot go; the system's own will do.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    ran = subprocess.run(
        [python, "-I", "-c", STRANGER, str(NOBODY)],
        input=json.dumps([str(place) for place in places]),
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: list[str] = json.loads(ran.stdout)
    return found


def everything_in(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def test_a_stranger_reaches_no_socket_plate_matte_cache_or_token(
    base: Path, clip: SamplePaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("run", "scratch", "temporary"):
        (base / name).mkdir()
        (base / name).chmod(0o755)
    (base / "open").write_text("anybody may read this")
    (base / "open").chmod(0o644)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base / "run"))
    monkeypatch.setattr(tempfile, "tempdir", str(base / "temporary"))
    options = ("--scratch", base / "scratch", "--cache", base / "results", "--status-page", 0)
    options += ("--audit", base / "audit" / "audit.jsonl")
    local = LocalServer(waiting=lambda seconds: None, options=tuple(map(str, options)))
    try:
        with GrpcLink(local.target) as link:
            first = min(clip.acescg.parent.glob("plate.*.exr"))
            link.upload_file(first)
            recipe = drawn_recipe(clip, tmp_path / "a.####.exr", track={"engine": "null"})
            kept = render(link, recipe, delivery="DELIVERY_HANDLES", preview=True)
            assert len(kept.frames) == 8
            spooled = list((base / "scratch").glob("airoto-server-*/spool/*"))
            assert len(spooled) >= 1 + 8 + len(kept.previews)
            tokens = list((base / "run" / "airoto").glob("*.token"))
            assert len(tokens) == 1
            assert list((base / "results").rglob("*"))
            places = [place for top in base.iterdir() for place in everything_in(top)]
            socket = Path(local.target.removeprefix("unix:"))
            assert stat.S_ISSOCK(socket.stat().st_mode)
            assert socket in places
            reached = reached_by_a_stranger(places)
    finally:
        local.stop()
    entered = {str(base / name) for name in ("run", "scratch", "temporary", "open")}
    assert set(reached) == entered


@pytest.mark.parametrize(("umask", "readable"), [((), False), (("--umask", "022"), True)])
def test_a_stranger_reads_mattes_only_where_the_server_was_told_so(
    base: Path, clip: SamplePaths, umask: tuple[str, ...], readable: bool
) -> None:
    (base / "out").mkdir()
    (base / "out").chmod(0o755)
    options = ("--scratch", str(base / "scratch"), *umask)
    local = LocalServer(waiting=lambda seconds: None, options=options)
    try:
        with GrpcLink(local.target) as link:
            recipe = drawn_recipe(clip, base / "out/a.####.exr", track={"engine": "null"})
            render(link, recipe, frames={"first": 1001, "last": 1001})
    finally:
        local.stop()
    matte = base / "out/a.1001.exr"
    assert reached_by_a_stranger([matte]) == ([str(matte)] if readable else [])
