"""Client and command line against AIRoto's own server process, with the null engines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the server is not installed")

import numpy as np

from airoto.errors import AIRotoError, RecipeError, ServerUnreachableError
from airoto_client.bridge_link import BridgeLink
from airoto_client.grpc_link import GrpcLink
from airoto_client.link import Link
from airoto_client.local_server import LocalServer
from airoto_client.marks import provenance_of

NULL = ("--segment", "null", "--track", "null", "--matte", "null")
FRAMES = range(1001, 1009)


def patient(_seconds: float) -> None:
    """Wait without a word."""


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small frames of noise."""
    oiio = pytest.importorskip("OpenImageIO")
    folder = tmp_path_factory.mktemp("real") / "plates"
    folder.mkdir()
    random = np.random.default_rng(7)
    for frame in FRAMES:
        out = oiio.ImageOutput.create("x.png")
        out.open(str(folder / f"hero.{frame}.png"), oiio.ImageSpec(96, 54, 3, "uint8"))
        out.write_image(random.integers(0, 255, (54, 96, 3), dtype=np.uint8))
        out.close()
    return folder / "hero.%04d.png"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """A server that sees every file."""
    server = LocalServer(waiting=patient)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def blind_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that may use an empty folder only."""
    root = tmp_path_factory.mktemp("root")
    server = LocalServer(waiting=patient, options=["--root", str(root)])
    yield server
    server.stop()


@pytest.fixture(params=["grpc", "bridge"])
def link(
    request: pytest.FixtureRequest, server: LocalServer, bridge_command: list[str]
) -> Iterator[Link]:
    """Either link to the server."""
    command = [*bridge_command, server.target]
    link = GrpcLink(server.target) if request.param == "grpc" else BridgeLink(command)
    with link:
        yield link


@pytest.fixture
def roto(cli, plate: Path) -> Callable[..., tuple[object, ...]]:
    """Arguments of a roto with the null engines."""

    def arguments(*more: object) -> tuple[object, ...]:
        prompts = ("--point", "1001:40,30", "--out", "mattes/h.%04d.exr")
        return ("roto", plate, *prompts, *NULL, *more)

    return arguments


def recipe_of(plate: Path, folder: Path, **changes: object) -> dict[str, object]:
    return {
        "version": 1,
        "plate": {
            "path": str(plate),
            "frames": {"first": 1001, "last": 1008},
            "format": {"width": 96, "height": 54},
            "colour": {"space": "display"},
        },
        "objects": [
            {"id": 1, "name": "hero", "prompts": [{"frame": 1001, "points": [{"x": 40, "y": 30}]}]}
        ],
        "segment": {"engine": "null"},
        "track": {"engine": "null"},
        "matte": {"engine": "null"},
        "output": {"path": str(folder / "h.%04d.exr")},
        **changes,
    }


# ---- links ----------------------------------------------------------------------------------


def test_both_links_tell_what_the_server_is(link: Link, server: LocalServer) -> None:
    info = link.call("GetServerInfo", {})
    assert info["pid"] == server.pid
    assert {engine["name"] for engine in info["engines"]} >= {"null"}


def test_both_links_render(link: Link, plate: Path, tmp_path: Path) -> None:
    answers = list(link.stream("Render", {"recipe": recipe_of(plate, tmp_path)}))
    assert "plan" in answers[0]
    assert "summary" in answers[-1]
    assert [a["frame"]["frame"] for a in answers if "frame" in a] == list(FRAMES)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"h.{f}.exr" for f in FRAMES]


def test_both_links_bring_a_result_by_handle(link: Link, plate: Path, tmp_path: Path) -> None:
    request = {"recipe": recipe_of(plate, tmp_path), "delivery": "DELIVERY_HANDLES"}
    handles = [a["frame"]["handle"] for a in link.stream("Render", request) if "frame" in a]
    link.download(handles[0], tmp_path / "first.exr")
    made = provenance_of(tmp_path / "first.exr")
    assert made is not None
    assert made["recipe_hash"].startswith("sha256:")


def test_both_links_tell_every_wrong_field(link: Link, plate: Path, tmp_path: Path) -> None:
    recipe = recipe_of(plate, tmp_path, matte={"feather": -1}, version=7)
    with pytest.raises(AIRotoError) as caught:
        list(link.stream("Render", {"recipe": recipe}))
    assert isinstance(caught.value, RecipeError)
    assert "version" in {violation.path for violation in caught.value.violations}


def test_both_links_bring_back_what_they_sent(link: Link, plate: Path, tmp_path: Path) -> None:
    source = Path(str(plate) % 1001)
    answer = link.upload_file(source)
    link.download(answer["handle"], tmp_path / "back.png")
    assert (tmp_path / "back.png").read_bytes() == source.read_bytes()


# ---- the command line -----------------------------------------------------------------------


def test_a_command_starts_a_server_of_its_own_and_ends_it(cli, roto) -> None:
    ran = cli.run(*roto("--json"))
    assert ran.code == 0, ran.err
    assert len(ran.of("frame")) == len(FRAMES)
    note = str(ran.of("note")[0]["message"])
    pid = re.fullmatch(r"using a server of its own \(process (\d+)\), ended afterwards", note)
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid[1]), 0)


def test_a_second_run_keeps_what_the_first_has_made(cli, roto, server: LocalServer) -> None:
    first = cli.run(*roto("--server", server.target, "--json"))
    assert first.of("summary")[0]["done"] == len(FRAMES)
    times = {p.name: p.stat().st_mtime_ns for p in (cli.folder / "mattes").iterdir()}
    again = cli.run(*roto("--server", server.target, "--json"))
    assert again.of("summary")[0]["kept"] == len(FRAMES)
    assert {p.name: p.stat().st_mtime_ns for p in (cli.folder / "mattes").iterdir()} == times


def test_results_are_the_same_by_path_and_by_upload(
    cli, roto, server: LocalServer, blind_server: LocalServer
) -> None:
    cli.run(*roto("--server", server.target, "--layers", "trimap,confidence"))
    seen = {p.name: p.read_bytes() for p in (cli.folder / "mattes").iterdir()}
    arguments = roto("--server", blind_server.target, "--layers", "trimap,confidence")
    ran = cli.run(*arguments, "--overwrite", "replace", "--preview", "--json")
    assert ran.code == 0, ran.err
    fetched = {p.name: p.read_bytes() for p in (cli.folder / "mattes").iterdir()}
    assert sorted(fetched) == sorted(seen)
    assert {Path(str(e["path"])).suffix for e in ran.of("preview")} == {".png", ".mp4"}
    for event in ran.of("preview"):
        assert Path(str(event["path"])).stat().st_size > 0


@pytest.mark.parametrize("extension", ["exr", "png", "tif"])
def test_fetched_frames_are_kept_by_the_next_run(
    cli, plate: Path, blind_server: LocalServer, extension: str
) -> None:
    out = f"m/h.%04d.{extension}"
    arguments = ("roto", plate, "--point", "1001:40,30", *NULL, "--out", out, "--json")
    first = cli.run(*arguments, "--server", blind_server.target)
    assert first.code == 0, first.err
    (cli.folder / "m" / f"h.1004.{extension}").unlink()
    again = cli.run(*arguments, "--server", blind_server.target)
    assert (again.of("summary")[0]["done"], again.of("summary")[0]["kept"]) == (1, 7)


def test_a_changed_plate_is_not_taken_for_finished(
    cli, plate: Path, blind_server: LocalServer, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for path in plate.parent.iterdir():
        (copies / path.name).write_bytes(path.read_bytes())
    arguments = ("roto", copies / plate.name, "--point", "1001:40,30", *NULL)
    arguments += ("--out", "m/h.%04d.exr", "--json", "--server", blind_server.target)
    assert cli.run(*arguments).code == 0
    later = time.time() + 10
    os.utime(copies / "hero.1003.png", (later, later))
    assert cli.run(*arguments).of("summary")[0]["done"] == len(FRAMES)


def test_segment_and_matte_of_one_frame(cli, plate: Path, server: LocalServer) -> None:
    common = (plate, "--server", server.target, "--frame", "1002", "--json")
    ran = cli.run("segment", *common, "--point", "40,30", "--out", "mask.png", "--segment", "null")
    assert ran.code == 0, ran.err
    mask = str(ran.of("result")[0]["path"])
    assert Path(mask).read_bytes().startswith(b"\x89PNG")
    options = ("--mask", mask, "--out", "alpha.exr", "--foreground", "fg.exr", "--matte", "null")
    ran = cli.run("matte", *common, *options)
    assert ran.code == 0, ran.err
    for name in ("alpha.exr", "fg.exr"):
        assert (cli.folder / name).read_bytes().startswith(b"\x76\x2f\x31\x01")


def test_an_engine_that_does_not_exist_is_told(cli, plate: Path, server: LocalServer) -> None:
    ran = cli.run(
        *("roto", plate, "--point", "1001:40,30", "--out", "m/h.%04d.exr"),
        *("--segment", "sam99", "--server", server.target),
    )
    assert ran.code == 6
    assert "sam99" in ran.err
    assert not (cli.folder / "m").exists()


def test_a_missing_frame_is_told(cli, plate: Path, server: LocalServer, tmp_path: Path) -> None:
    copies = tmp_path / "gap"
    copies.mkdir()
    for path in plate.parent.iterdir():
        (copies / path.name).write_bytes(path.read_bytes())
    (copies / "hero.1004.png").unlink()
    ran = cli.run(
        *("roto", copies / plate.name, "--point", "1001:40,30", "--out", "m/h.%04d.exr"),
        *(*NULL, "--server", server.target),
    )
    assert ran.code == 3
    assert "1004" in ran.err


def test_a_server_killed_during_a_render_is_told_and_the_next_run_goes_on(cli, plate: Path) -> None:
    recipe = cli.folder / "long.json"
    # One still serves for every frame, so that the render is long.
    made = recipe_of(Path(str(plate) % 1001), cli.folder / "mattes")
    made["plate"]["frames"] = {"first": 1001, "last": 1400}
    recipe.write_text(json.dumps(made))
    with cli.start("render", recipe, "--json") as process:
        assert process.stdout is not None
        note = json.loads(process.stdout.readline())["message"]
        for line in process.stdout:
            if json.loads(line)["event"] == "frame":
                break
        os.kill(int(re.findall(r"process (\d+)", note)[0]), signal.SIGKILL)
        rest = [json.loads(line) for line in process.stdout]
        assert process.wait(30) == 5
        assert process.stderr is not None
        said = process.stderr.read()
    assert rest[-1]["kind"] == "server_unreachable"
    assert "the server was killed by SIGKILL" in said
    assert "frames are finished; running the same command again keeps them" in said
    there = {p.name: p.stat().st_mtime_ns for p in (cli.folder / "mattes").glob("h.*.exr")}
    assert 1 <= len(there) < 400
    again = cli.run("render", recipe, "--json", "--frames", "1001-1002")
    assert again.code == 0, again.err
    assert again.of("frame")[0]["status"] == "kept"
    after = {p.name: p.stat().st_mtime_ns for p in (cli.folder / "mattes").glob("h.*.exr")}
    assert all(after[name] == when for name, when in there.items())


def test_interrupting_leaves_finished_frames_and_no_server(cli, plate: Path) -> None:
    recipe = cli.folder / "long.json"
    made = recipe_of(Path(str(plate) % 1001), cli.folder / "mattes")
    made["plate"]["frames"] = {"first": 1001, "last": 1400}
    recipe.write_text(json.dumps(made))
    with cli.start("render", recipe, "-v") as process:
        assert process.stderr is not None
        pid = int(re.findall(r"process (\d+)", process.stderr.readline())[0])
        for line in process.stderr:
            if line.startswith("frame 1003"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert "stopped: " in rest
    assert "Traceback" not in rest
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    names = [p.name for p in (cli.folder / "mattes").iterdir()]
    assert "h.1003.exr" in names
    assert all(re.fullmatch(r"h\.\d{4}\.exr", name) for name in names)


# ---- a server of our own --------------------------------------------------------------------


def test_a_server_does_not_outlive_a_client_that_is_killed(socket_folder: Path) -> None:
    script = (
        "import time\n"
        "from airoto_client.local_server import LocalServer\n"
        "server = LocalServer(waiting=lambda seconds: None)\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(socket_folder)}  # its folder stays behind
    client = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment
    )
    assert client.stdout is not None
    pid = int(client.stdout.readline())
    client.kill()
    client.wait()
    client.stdout.close()
    end = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    """Whether a process that is not our child runs (a zombie does not)."""
    ran = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(ran.stdout.strip()) and not ran.stdout.strip().startswith("Z")


def test_a_server_that_dies_at_its_start_is_told_with_the_end_of_its_log() -> None:
    with pytest.raises(ServerUnreachableError, match="did not start") as caught:
        LocalServer(waiting=patient, options=["--threads", "many"])
    assert "invalid int value" in caught.value.message


def test_a_server_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(ServerUnreachableError, match=r"did not listen within 0 seconds"):
        LocalServer(waiting=patient, start_timeout=0.0)


def test_its_folder_is_for_its_owner_alone_and_goes_with_it() -> None:
    server = LocalServer(waiting=patient)
    folder = server.log.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    server.stop()
    server.stop()
    assert not folder.exists()
