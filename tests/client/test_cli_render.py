"""`airoto render`: as a process, against a toy server in another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

MATTES = "out/mattes"


def mattes(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / MATTES).iterdir())


ALL = [f"hero.{frame}.exr" for frame in range(1001, 1006)]


def test_a_recipe_is_rendered_and_the_result_named(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", toy.target)
    assert (ran.code, mattes(cli.folder)) == (0, ALL)
    assert ran.out.splitlines() == [
        f"5 frames made in 0.1 s: {cli.folder}/out/mattes/hero.%04d.exr"
    ]
    assert f"using the server at {toy.target}, named by --server" in ran.err
    assert "plan: 5 frames; recipe sha256:" in ran.err
    assert "warning: frame 1001: this is a toy" in ran.err
    assert "matte: 5/5" in ran.err
    assert toy.journal() == ["render 1001-1005 delivery=1 uploads=0 threads=0 overwrite=0"]


def test_no_nonce_is_left_in_the_output_folder(cli, toy, recipe_file) -> None:
    (cli.folder / MATTES).mkdir(parents=True)
    cli.run("render", recipe_file(), "--server", toy.target)
    assert mattes(cli.folder) == ALL


def test_json_events_have_the_documented_shapes(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", toy.target, "--json", "--preview")
    assert ran.code == 0
    kinds = [event["event"] for event in ran.events]
    assert kinds == [
        "note",
        "plan",
        "warning",
        *["frame", "progress"] * 5,
        *["preview"] * 2,
        "summary",
    ]
    plan, frame, progress = ran.of("plan")[0], ran.of("frame")[0], ran.of("progress")[1]
    assert set(plan) == {"event", "recipe_hash", "frames_to_deliver", "frames_kept", "provenance"}
    assert frame == {
        "event": "frame",
        "frame": 1001,
        "status": "done",
        "path": f"{cli.folder}/out/mattes/hero.1001.exr",
        "objects": [{"id": 1, "confidence": 0.5, "area": 10.0}],
    }
    assert progress == {
        "event": "progress",
        "stage": "matte",
        "done": 2,
        "total": 5,
        "seconds_left": None,
    }
    assert ran.of("preview")[1] == {
        "event": "preview",
        "kind": "overlay",
        "path": f"{cli.folder}/out/preview/overlay.mp4",
    }
    summary = ran.of("summary")[0]
    assert (summary["done"], summary["kept"], summary["skipped"]) == (5, 0, 0)
    assert summary["output"] == f"{cli.folder}/out/mattes/hero.%04d.exr"


def test_preview_lies_beside_the_mattes_or_where_it_was_asked_for(cli, toy, recipe_file) -> None:
    ran = cli.run("render", "--preview", recipe_file(), "--server", toy.target)
    assert ran.code == 0, ran.err
    assert sorted(p.name for p in (cli.folder / "out/preview").iterdir()) == [
        "overlay.mp4",
        "sheet.png",
    ]
    cli.run("render", recipe_file(), "--preview=look", "--server", toy.target)
    assert sorted(p.name for p in (cli.folder / "look").iterdir()) == ["overlay.mp4", "sheet.png"]


def test_quiet_says_only_the_result(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", toy.target, "-q")
    assert ran.out == f"{cli.folder}/out/mattes/hero.%04d.exr\n"
    assert ran.err == ""


def test_verbose_names_every_frame(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", toy.target, "-v")
    assert "frame 1003: done" in ran.err


def test_options_change_the_job_but_not_the_hash(cli, toy, recipe_file) -> None:
    plain = cli.run("render", recipe_file(), "--server", toy.target, "--json")
    ran = cli.run(
        *("render", recipe_file(), "--server", toy.target, "--json"),
        *("--frames", "1002-1003", "--threads", "2", "--overwrite", "replace"),
    )
    assert toy.journal()[-1] == "render 1002-1003 delivery=1 uploads=0 threads=2 overwrite=2"
    assert ran.of("plan")[0]["recipe_hash"] == plain.of("plan")[0]["recipe_hash"]


def test_the_hash_command_tells_the_hash_of_the_render(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", toy.target, "--json")
    told = cli.run("recipe", "hash", recipe_file()).out.strip()
    assert told == ran.of("plan")[0]["recipe_hash"]


def test_a_server_is_found_by_its_variable(cli, toy, recipe_file) -> None:
    cli.environment["AIROTO_SERVER"] = toy.target
    ran = cli.run("render", recipe_file())
    assert ran.code == 0
    assert "named by AIROTO_SERVER" in ran.err


# ---- a server that does not see the files ---------------------------------------------------


def test_an_unseen_plate_is_uploaded_and_mattes_are_fetched(cli, start_toy, recipe_file) -> None:
    toy = start_toy(hide=(cli.folder,))
    ran = cli.run("render", recipe_file(), "--server", toy.target)
    assert ran.code == 0, ran.err
    assert "does not see the plate (not on this machine), so it is uploaded" in ran.err
    assert "the mattes are fetched" in ran.err
    assert "upload: 5/5" in ran.err
    assert mattes(cli.folder) == ALL
    assert toy.journal()[-1] == "render 1001-1005 delivery=2 uploads=5 threads=0 overwrite=0"


def test_fetched_frames_of_the_same_recipe_are_kept(cli, start_toy, recipe_file) -> None:
    toy = start_toy(hide=(cli.folder,))
    cli.run("render", recipe_file(), "--server", toy.target)
    before = {p.name: p.read_bytes() for p in (cli.folder / MATTES).iterdir()}
    (cli.folder / MATTES / "hero.1002.exr").unlink()
    (cli.folder / MATTES / "hero.1004.exr").unlink()
    ran = cli.run("render", recipe_file(), "--server", toy.target, "--json")
    assert toy.journal()[-1].startswith("render 1002-1004 ")
    assert {f["frame"]: f["status"] for f in ran.of("frame")} == {
        1001: "kept",
        1002: "done",
        1003: "kept",
        1004: "done",
        1005: "kept",
    }
    plan = ran.of("plan")[0]
    assert (plan["frames_to_deliver"], plan["frames_kept"]) == (2, [1001, 1003, 1005])
    after = {p.name: p.read_bytes() for p in (cli.folder / MATTES).iterdir()}
    assert sorted(after) == ALL
    assert all(
        after[name] == before[name]
        for name in ALL
        if name not in ("hero.1002.exr", "hero.1004.exr")
    )


def test_nothing_is_asked_of_the_server_when_all_frames_are_kept(
    cli, start_toy, recipe_file
) -> None:
    toy = start_toy(hide=(cli.folder / "out",))
    (cli.folder / "out").mkdir()
    cli.run("render", recipe_file(), "--server", toy.target)
    asked = len(toy.journal())
    ran = cli.run("render", recipe_file(), "--server", toy.target, "--json")
    assert ran.code == 0
    assert ran.of("summary")[0]["kept"] == 5
    assert len(toy.journal()) == asked


def test_fetched_frames_of_another_recipe_are_replaced(cli, start_toy, recipe_file) -> None:
    toy = start_toy(hide=(cli.folder,))
    cli.run("render", recipe_file(), "--server", toy.target)
    before = (cli.folder / MATTES / "hero.1001.exr").read_bytes()
    ran = cli.run("render", recipe_file(trimap=True), "--server", toy.target)
    assert ran.code == 0
    assert (cli.folder / MATTES / "hero.1001.exr").read_bytes() != before


@pytest.mark.parametrize("policy", ["resume", "refuse"])
def test_a_file_that_airoto_did_not_make_stays(cli, start_toy, recipe_file, policy: str) -> None:
    toy = start_toy(hide=(cli.folder,))
    (cli.folder / MATTES).mkdir(parents=True)
    precious = cli.folder / MATTES / "hero.1003.exr"
    precious.write_bytes(b"by hand")
    ran = cli.run("render", recipe_file(), "--server", toy.target, "--overwrite", policy)
    assert ran.code == 4
    assert f"{precious} is there already" in ran.err
    assert precious.read_bytes() == b"by hand"
    assert mattes(cli.folder) == ["hero.1003.exr"]


def test_replace_replaces_whatever_is_there(cli, start_toy, recipe_file) -> None:
    toy = start_toy(hide=(cli.folder,))
    (cli.folder / MATTES).mkdir(parents=True)
    (cli.folder / MATTES / "hero.1003.exr").write_bytes(b"by hand")
    ran = cli.run("render", recipe_file(), "--server", toy.target, "--overwrite", "replace")
    assert (ran.code, mattes(cli.folder)) == (0, ALL)
    assert (cli.folder / MATTES / "hero.1003.exr").read_bytes() != b"by hand"


# ---- what goes wrong -------------------------------------------------------------------------

CODES = {
    "internal": 1,
    "bad_request": 2,
    "recipe": 2,
    "too_large": 2,
    "plate": 3,
    "frame_missing": 3,
    "frame_unreadable": 3,
    "frame_mismatch": 3,
    "colour": 3,
    "output": 4,
    "output_exists": 4,
    "out_of_space": 4,
    "server_unreachable": 5,
    "timed_out": 5,
    "handle_unknown": 5,
    "cancelled": 5,
    "engine_unavailable": 6,
    "engine": 6,
    "busy": 7,
    "engine_forbidden": 8,
    "path_forbidden": 8,
    "unauthenticated": 8,
    "result_missing": 9,
    "device_memory": 10,
}


def test_every_kind_of_error_has_an_exit_code() -> None:
    from airoto.errors import all_kinds
    from airoto_client.exit_codes import exit_code_of

    assert {kind: int(exit_code_of(cls("x"))) for kind, cls in all_kinds().items()} == CODES


@pytest.mark.parametrize("kind", ["plate", "out_of_space", "busy", "path_forbidden"])
def test_an_error_of_the_server_is_told_as_a_block(cli, toy, recipe_file, kind: str) -> None:
    ran = cli.run("render", recipe_file(f"fail:{kind}"), "--server", toy.target, "--json")
    assert ran.code == CODES[kind]
    lines = ran.err.splitlines()
    assert lines[0] == f"airoto: it is {kind}"
    assert "  where: frame 7, /somewhere" in lines
    assert "  plate.path: 'x'; allowed: y" in lines
    assert "  hint: as asked" in lines
    assert ("  try again after: 3 s" in lines) is (kind == "busy")
    error = ran.events[-1]
    assert (error["event"], error["kind"], error["exit_code"]) == ("error", kind, CODES[kind])
    assert error["violations"] == [{"path": "plate.path", "found": "'x'", "allowed": "y"}]
    assert (error["frame"], error["path"], error["hint"]) == (7, "/somewhere", "as asked")


def test_a_frame_that_failed_decides_the_exit_code(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file("problem"), "--server", toy.target)
    assert ran.code == 3
    assert "warning: frame 1002: frame 1002 is torn" in ran.err


def test_a_wrong_recipe_is_refused_with_every_field_before_any_server_is_asked(
    cli, recipe_file
) -> None:
    path = recipe_file()
    recipe = json.loads(path.read_text())
    recipe["objects"][0]["name"] = "no good"
    recipe["objects"][0]["prompts"][0]["points"][0]["x"] = 5120
    path.write_text(json.dumps(recipe))
    ran = cli.run("render", path, "--json")
    assert ran.code == 2
    assert {v["path"] for v in ran.events[-1]["violations"]} == {
        "objects[0].name",
        "objects[0].prompts[0].points[0].x",
    }
    assert ran.err.count("objects[0].name") == 1


def test_a_recipe_that_is_no_json_is_refused_with_line_and_column(cli) -> None:
    (cli.folder / "bad.json").write_text('{\n  "version": oops\n}')
    ran = cli.run("render", "bad.json")
    assert ran.code == 2
    assert "line 2, column 14" in ran.err


def test_a_plate_that_is_not_there_is_told(cli, toy, recipe_file, plate: Path) -> None:
    for path in plate.parent.iterdir():
        path.unlink()
    ran = cli.run("render", recipe_file(), "--server", toy.target)
    assert ran.code == 3
    assert f"no file matches the plate {plate}" in ran.err


def test_a_server_that_was_named_must_answer(cli, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", "unix:/tmp/airoto-nobody/s")
    assert ran.code == 5
    assert "no AIRoto server answers at unix:/tmp/airoto-nobody/s" in ran.err


def test_a_malformed_target_is_a_usage_error(cli, recipe_file) -> None:
    ran = cli.run("render", recipe_file(), "--server", "nonsense")
    assert ran.code == 2
    assert "no server address" in ran.err


def test_a_server_that_dies_is_told_with_what_is_finished(cli, toy, recipe_file) -> None:
    ran = cli.run("render", recipe_file("die:1004"), "--server", toy.target, "--json")
    assert ran.code == 5
    assert ran.events[-1]["kind"] == "server_unreachable"
    assert "3 of 5 frames are finished" in ran.err
    assert "running the same command again keeps them" in ran.err
    assert mattes(cli.folder) == ALL[:3]


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    cli, start_toy, recipe_file, tmp_path: Path
) -> None:
    if not Path("/dev/full").exists() or os.geteuid() != 0:
        pytest.skip("needs a small filesystem of its own")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no filesystem can be mounted here")
    try:
        toy = start_toy(hide=(small,))
        ran = cli.run("render", recipe_file(path=f"{small}/m.%04d.exr"), "--server", toy.target)
        assert ran.code == 4
        assert "the disk is full" in ran.err
        assert not [p.name for p in small.iterdir() if p.name.endswith(".tmp")]
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_output_folder_that_cannot_be_made_is_an_output_error(
    cli, start_toy, recipe_file
) -> None:
    toy = start_toy(hide=(cli.folder,))
    (cli.folder / "file").write_bytes(b"")
    path = recipe_file(path="file/m.%04d.exr")
    ran = cli.run("render", path, "--server", toy.target)
    assert ran.code == 4
    assert "cannot be written" in ran.err


# ---- stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_render_and_says_what_is_finished(
    cli, toy, recipe_file, number: int, code: int
) -> None:
    with cli.start("render", recipe_file("slow"), "--server", toy.target, "-v") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("frame 1002"):
                break
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(20) == code
    assert "stopped: 2 of 5 frames are finished" in rest
    assert "Traceback" not in rest
    assert toy.wait_for("render cancelled")


def test_a_signal_while_the_server_says_nothing_ends_the_command(cli, toy, recipe_file) -> None:
    with cli.start("render", recipe_file("hang"), "--server", toy.target) as process:
        assert process.stderr is not None
        assert "using the server" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert "Traceback" not in process.stderr.read()
