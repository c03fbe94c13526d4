"""Checks of the server: what its own package tells, and what a real one answers and renders."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import airoto
from airoto.errors import AIRotoError
from airoto.wire.channel import SERVER_VARIABLE
from airoto_client.bridge_link import BridgeLink
from airoto_client.doctor import clip
from airoto_client.doctor.check import Check, State, failed, of_error, passed, warned
from airoto_client.launcher import Server, ensure_server
from airoto_client.local_server import Waiting

_REPORT_TIMEOUT = 300.0
# The first job of a new installation may still compile.
_RENDER_TIMEOUT = 900.0
_CALL_TIMEOUT = 60.0
_CLI = ("-m", "airoto_client.cli")


def package() -> Iterator[Check]:
    """What the server's package says of itself: torch, device, driver, memory, weights, cache.

    In a process of its own, since torch may fail in ways that end a process.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "airoto_server.app.diagnose"],
            capture_output=True, text=True, errors="replace", timeout=_REPORT_TIMEOUT, check=False,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        yield failed("server", f"its package cannot be asked: {exc}", "install again")
        return
    for line in lines:
        yield Check(line["name"], State(line["state"]), line["found"], line["next_step"])
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        yield failed("server", f"its package does not work: {said}", "install again")


def answers(target: str | None, *, installed: bool, waiting: Waiting) -> Iterator[Check]:
    """A server is found or started, asked through the bridge, and renders.

    Args:
        target: as --server.
        installed: whether one could be started here.
        waiting: called every moment while one starts.
    """
    try:
        with ensure_server(target, waiting=waiting) as server:
            version = str(server.info.get("version", "?"))
            words = f"AIRoto {version}, {server.note}"
            if version == airoto.__version__:
                yield passed("server", words)
            else:
                yield warned("server", f"{words}; this client is {airoto.__version__}",
                             "install the same version on both sides")  # fmt: skip
            yield _bridge(server)
            yield _render(server)
    except AIRotoError as exc:
        if not installed and target is None and not _named():
            yield warned(
                "server",
                "none is installed here and none is named, so bridge and render were not tried",
                f"let {SERVER_VARIABLE} name the studio's server",
            )
        else:
            yield of_error("server", exc, "airoto serve shows why it does not start")


def _bridge(server: Server) -> Check:
    command = [sys.executable, *_CLI, "bridge", "--server", server.link.target]
    try:
        link = BridgeLink(command)
        try:
            link.call("GetServerInfo", {}, timeout=_CALL_TIMEOUT)
        finally:
            link.close()
    except AIRotoError as exc:
        return of_error(
            "bridge", exc, "airoto bridge shows why; Nuke reaches the server through it"
        )
    return passed("bridge", "the way that Nuke takes to the server works")


def _render(server: Server) -> Check:
    """Three frames with a disc, through the whole of it; the matte has to be the disc."""
    with tempfile.TemporaryDirectory(prefix="airoto-doctor-") as name:
        folder = Path(name)
        pattern = clip.write(folder)
        out = folder / "matte" / "disc.%04d.exr"
        x, y = clip.centre(clip.FIRST)
        command = [sys.executable, *_CLI, "roto", str(pattern), "--json"]
        command += ["--point", f"{clip.FIRST}:{x},{y}", "--out", str(out)]
        command += ["--server", server.link.target]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace",
                timeout=_RENDER_TIMEOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return failed("render", f"not done after {_RENDER_TIMEOUT:g} s",
                          "airoto status shows what the server does")  # fmt: skip
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        errors = [event for event in events if event["event"] == "error"]
        if done.returncode or errors:
            said = errors[-1]["message"] if errors else done.stderr.strip()[-300:]
            hint = errors[-1]["hint"] if errors else ""
            return failed("render", f"it failed: {said}", hint or "run the same with: airoto roto")
        areas = [event["objects"][0]["area"] for event in events
                 if event["event"] == "frame" and event["objects"]]  # fmt: skip
        written = [path for path in sorted(out.parent.glob("disc.*.exr")) if path.stat().st_size]
        summary = next(event for event in events if event["event"] == "summary")
    ratios = [area / clip.AREA for area in areas]
    words = f"{len(written)} of {clip.FRAMES} frames in {summary['seconds']:.1f} s"
    if len(written) != clip.FRAMES or len(ratios) != clip.FRAMES:
        return failed("render", words, "the server's log tells why")
    if not all(0.7 < ratio < 1.4 for ratio in ratios):
        found = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        return failed("render", f"{words}, but the matte is {found} of the disc's area",
                      "the engine that made it does not work: airoto info lists them")  # fmt: skip
    return passed("render", f"{words}, the matte is the object")


def _named() -> bool:
    import os

    return bool(os.environ.get(SERVER_VARIABLE))
