"""The other commands, and what people type wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_version_is_told(cli) -> None:
    from airoto import __version__

    assert cli.run("--version").out == f"airoto {__version__}\n"


def test_every_command_explains_itself(cli) -> None:
    listed = cli.run("--help").out
    for verb in ("roto", "render", "segment", "matte", "recipe", "info", "sample", "bridge"):
        assert f"  {verb}" in listed
        ran = cli.run(verb, "--help")
        assert (ran.code, ran.out[:7]) == (0, "usage: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "COMMAND"),
        (("rotoscope",), "rotoscope"),
        (("roto",), "PLATE"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr"), "no prompt"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--point", "812,455"), "'812,455'"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--point", "1001:812"), "FRAME:X,Y"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--box", "1:9,9,1,1"), "--box"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--object", "a"), "--object a has no"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--frames", "9-1"), "9-1"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--layers", "depth"), "'depth'"),
        (("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--candidate", "1:4"), "1, 2, 3"),
        (("roto", "a.%04d.exr", "--out", "m.gif", "--point", "1:1,1"), "output.path"),
        (("roto", "a.%08x.exr", "--out", "m.%04d.exr", "--point", "1:1,1"), "%08x"),
        (
            ("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--feather", "-1", "--point", "1:1,1"),
            "matte.feather",
        ),
        (("render", "nope.json"), "nope.json"),
        (("render", "nope.json", "--threads", "0"), "--threads"),
        (("render", "nope.json", "--overwrite", "maybe"), "maybe"),
        (("segment", "a.png", "--frame", "1", "--point", "1,1", "--out", "m.gif"), ".exr, .png"),
        (("segment", "a.png", "--frame", "1", "--point", "2:1,1", "--out", "m.png"), "frame 2"),
        (("segment", "a.png", "--point", "1:1,1", "--box", "3:1,1,9,9", "--out", "m.png"), "1,3"),
        (("matte", "a.png", "--frame", "1", "--out", "m.png"), "--mask"),
        (("sample", "x", "--size", "big"), "WIDTHxHEIGHT"),
        (("recipe", "burn", "x.json"), "burn"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(cli, arguments: tuple[str, ...], words: str) -> None:
    ran = cli.run(*arguments)
    assert ran.code == 2, ran.err
    assert ran.err.startswith("airoto: ")
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_wrong_usage_is_an_event_for_programs(cli) -> None:
    ran = cli.run("render", "--json")
    assert ran.code == 2
    assert ran.events[0]["event"] == "error"
    assert ran.events[0]["exit_code"] == 2


def test_options_are_not_guessed_from_their_first_letters(cli) -> None:
    ran = cli.run("render", "x.json", "--over", "replace")
    assert ran.code == 2
    assert "--over" in ran.err


# ---- info -----------------------------------------------------------------------------------


def test_info_is_a_table_for_people(cli, toy) -> None:
    ran = cli.run("info", "--server", toy.target)
    assert ran.code == 0
    assert "AIRoto 0.0.toy" in ran.out
    assert "null (default)" in ran.out
    assert "1024.0 GB" in ran.out


def test_info_is_one_object_for_programs(cli, toy) -> None:
    ran = cli.run("info", "--server", toy.target, "--json")
    found = ran.of("info")[0]
    assert found["version"] == "0.0.toy"
    assert found["engines"][0]["name"] == "null"


# ---- recipe ---------------------------------------------------------------------------------


def test_a_valid_recipe_is_called_valid(cli, recipe_file) -> None:
    ran = cli.run("recipe", "check", recipe_file())
    assert (ran.code, ran.out) == (0, f"{recipe_file()} is a valid recipe\n")


def test_a_wrong_recipe_is_refused_with_the_path_of_the_field(cli, recipe_file) -> None:
    path = recipe_file()
    recipe = json.loads(path.read_text())
    recipe["objects"][0]["prompts"][0]["points"][0]["z"] = 1
    path.write_text(json.dumps(recipe))
    ran = cli.run("recipe", "check", path)
    assert ran.code == 2
    assert "objects[0].prompts[0].points[0].z" in ran.err


def test_show_writes_a_recipe_with_defaults_and_absolute_paths(cli, recipe_file) -> None:
    ran = cli.run("recipe", "show", recipe_file())
    shown = json.loads(ran.out)
    assert shown["plate"]["path"] == f"{cli.folder}/plates/hero.%04d.exr"
    assert shown["track"]["memory_mode"] == "MEMORY_MODE_SEGMENT"
    (cli.folder / "shown.json").write_text(ran.out)
    assert (
        cli.run("recipe", "hash", "shown.json").out == cli.run("recipe", "hash", recipe_file()).out
    )


# ---- roto -----------------------------------------------------------------------------------


def test_roto_builds_the_recipe_that_was_asked_for(cli, toy, plate: Path) -> None:
    (cli.folder / "rough.png").write_bytes(b"mask")
    ran = cli.run(
        *("roto", "plates/hero.%04d.exr", "--server", toy.target, "--out", "m/h.%04d.exr"),
        *("--object", "hero", "--point", "1003:812,455", "--negative", "1003:10,20"),
        *("--point", "1001:5.5,6", "--mask", "1004:rough.png"),
        *("--object", "bag", "--box", "1002:1,2,30,40", "--text", "1005:a red bag"),
        *("--candidate", "1002:2", "--colour", "ACES2065-1", "--exposure", "-1.5"),
        *("--segment", "null", "--engine-track", "null", "--matte", "none"),
        *("--memory", "shot", "--direction", "forward", "--seed", "7"),
        *("--trimap", "fixed", "--trimap-narrow", "3", "--grow", "-1.5", "--feather", "0.5"),
        *("--stability", "0"),
        *("--layers", "trimap,confidence", "--compression", "dwaa", "--threads", "2"),
        *("--save-recipe", "saved.json"),
    )
    assert ran.code == 0, ran.err
    assert "plate: colour space ACEScg was assumed" in ran.err
    assert "plate: frames 1001-1005, 1920 x 1080, colour space ACES2065-1" in ran.err
    saved = json.loads((cli.folder / "saved.json").read_text())
    hero, bag = saved["objects"]
    assert (hero["id"], hero["name"], bag["id"], bag["name"]) == (1, "hero", 2, "bag")
    assert hero["prompts"] == [
        {"frame": 1001, "points": [{"x": 5.5, "y": 6.0, "label": "POINT_LABEL_POSITIVE"}]},
        {
            "frame": 1003,
            "points": [
                {"x": 812.0, "y": 455.0, "label": "POINT_LABEL_POSITIVE"},
                {"x": 10.0, "y": 20.0, "label": "POINT_LABEL_NEGATIVE"},
            ],
        },
        {"frame": 1004, "mask": {"path": f"{cli.folder}/rough.png"}},
    ]
    assert bag["prompts"][0]["box"] == {"x_min": 1.0, "y_min": 2.0, "x_max": 30.0, "y_max": 40.0}
    assert bag["prompts"][0]["candidate"] == 2
    assert bag["prompts"][1] == {"frame": 1005, "text": "a red bag"}
    assert saved["plate"]["colour"] == {"space": "ACES2065-1", "exposure": -1.5}
    assert saved["segment"] == {"engine": "null"}
    assert saved["track"] == {
        "engine": "null",
        "memory_mode": "MEMORY_MODE_SHOT",
        "direction": "DIRECTION_FORWARD",
    }
    assert saved["matte"]["trimap"] == {"mode": "TRIMAP_MODE_FIXED", "narrow": 3.0}
    assert (saved["matte"]["grow"], saved["matte"]["feather"]) == (-1.5, 0.5)
    assert saved["matte"]["stability"] == 0
    assert saved["processing"] == {"seed": 7}
    assert saved["output"] == {
        "path": f"{cli.folder}/m/h.%04d.exr",
        "compression": "COMPRESSION_DWAA",
        "trimap": True,
        "confidence": True,
    }
    assert len(list((cli.folder / "m").iterdir())) == 5
    assert cli.run("recipe", "check", "saved.json").code == 0


def test_roto_on_part_of_the_plate(cli, toy, plate: Path) -> None:
    ran = cli.run(
        *("roto", plate, "--server", toy.target, "--out", "m/h.%04d.exr"),
        *("--point", "1002:5,5", "--frames", "1002-1003"),
    )
    assert ran.code == 0, ran.err
    assert toy.journal()[-1].startswith("render 1002-1003 ")


def test_roto_of_frames_that_the_plate_does_not_have(cli, toy, plate: Path) -> None:
    ran = cli.run(
        *("roto", plate, "--server", toy.target, "--out", "m/h.%04d.exr"),
        *("--point", "2002:5,5", "--frames", "2002-2003"),
    )
    assert ran.code == 3
    assert "it has 1001-1005" in ran.err


def test_roto_with_a_prompt_outside_the_picture(cli, toy, plate: Path) -> None:
    ran = cli.run(
        *("roto", plate, "--server", toy.target, "--out", "m/h.%04d.exr", "--point", "1001:5120,1")
    )
    assert ran.code == 2
    assert "objects[0].prompts[0].points[0].x" in ran.err
    assert not (cli.folder / "m").exists()


def test_roto_of_an_unseen_plate_uploads_it_once_and_carries_its_masks(
    cli, start_toy, plate: Path
) -> None:
    toy = start_toy(hide=(cli.folder,))
    (cli.folder / "rough.png").write_bytes(b"mask")
    ran = cli.run(
        *("roto", plate, "--server", toy.target, "--out", "m/h.%04d.exr"),
        *("--mask", "1002:rough.png", "--frames", "1002-1004"),
    )
    assert ran.code == 0, ran.err
    journal = toy.journal()
    assert journal[:3] == [f"upload hero.{frame}.exr 200000" for frame in (1002, 1003, 1004)]
    assert journal[3] == "probe uploads=[1002, 1003, 1004]"
    assert journal[4].startswith("render 1002-1004 delivery=2 uploads=3")
    assert len(list((cli.folder / "m").iterdir())) == 3


def test_an_unseen_mask_that_is_too_large_for_a_recipe_is_refused(
    cli, start_toy, plate: Path
) -> None:
    toy = start_toy(hide=(cli.folder / "rough.png",))
    (cli.folder / "rough.png").write_bytes(bytes(2_000_000))
    ran = cli.run(
        *("roto", plate, "--server", toy.target, "--out", "m/h.%04d.exr"),
        *("--mask", "1002:rough.png"),
    )
    assert ran.code == 2
    assert "rough.png has 2000000 bytes" in ran.err


# ---- one frame ------------------------------------------------------------------------------


def test_segment_writes_every_candidate(cli, toy, plate: Path) -> None:
    ran = cli.run(
        *("segment", plate, "--server", toy.target, "--frame", "1002", "--json"),
        *("--point", "5,5", "--negative", "1002:7,7", "--out", "masks/m.png"),
    )
    assert ran.code == 0, ran.err
    assert sorted(p.name for p in (cli.folder / "masks").iterdir()) == ["m.1.png", "m.2.png"]
    first = ran.of("result")[0]
    assert first == {
        "event": "result",
        "kind": "mask",
        "path": f"{cli.folder}/masks/m.1.png",
        "object": "object",
        "candidate": 1,
        "score": 0.9,
        "area": 100,
        "bounds": None,
    }


def test_segment_writes_one_candidate_under_the_name_given(cli, toy, plate: Path) -> None:
    arguments = ("segment", plate, "--server", toy.target, "--frame", "1002", "--point", "5,5")
    ran = cli.run(*arguments, "--out", "m.exr", "--candidate", "2")
    assert ran.code == 0, ran.err
    assert (cli.folder / "m.exr").exists()
    again = cli.run(*arguments, "--out", "m.exr", "--candidate", "2")
    assert again.code == 4
    assert "m.exr is there already" in again.err
    assert cli.run(*arguments, "--out", "m.exr", "--candidate", "2", "--overwrite").code == 0
    missing = cli.run(*arguments, "--out", "x.exr", "--candidate", "3")
    assert missing.code == 6
    assert not (cli.folder / "x.exr").exists()


@pytest.mark.parametrize(
    ("prompt", "frame"),
    [("5,5", 1001), ("1003:5,5", 1003), ("1003:5,5 --negative 7,7", 1003)],
)
def test_segment_takes_the_frame_of_its_prompts_or_the_first(
    cli, toy, plate: Path, prompt: str, frame: int
) -> None:
    ran = cli.run(
        *("segment", plate, "--server", toy.target, "--out", "m.png"),
        *("--point", *prompt.split()),
    )
    assert ran.code == 0, ran.err
    assert toy.journal()[-1] == f"segment {frame}"


def test_segment_of_several_objects_names_them(cli, toy, plate: Path) -> None:
    ran = cli.run(
        *("segment", plate, "--server", toy.target, "--frame", "1002", "--out", "m.png"),
        *("--object", "hero", "--point", "5,5", "--object", "bag", "--box", "1,1,9,9"),
        *("--candidate", "1", "-q"),
    )
    assert ran.code == 0, ran.err
    assert ran.out.split() == [f"{cli.folder}/m.hero.png", f"{cli.folder}/m.bag.png"]


def test_matte_without_a_guide_is_for_the_server_to_judge_and_its_notes_are_told(
    cli, toy, plate: Path
) -> None:
    arguments = ("--frame", "1002", "--engine-matte", "modnet", "--out", "a.exr")
    ran = cli.run("matte", plate, "--server", toy.target, *arguments)
    assert ran.code == 0, ran.err
    assert toy.journal()[-1] == "matte guide=None"
    assert "warning: frame 1002: no subject was found" in ran.err


@pytest.mark.parametrize("kind", ["mask", "trimap"])
def test_matte_sends_its_guide_by_path_or_by_handle(cli, start_toy, plate: Path, kind: str) -> None:
    (cli.folder / "guide.png").write_bytes(b"mask")
    arguments = (f"--{kind}", "guide.png", "--frame", "1002", "--out", "a.exr")
    toy = start_toy()
    ran = cli.run("matte", plate, "--server", toy.target, *arguments, "--foreground", "f.exr")
    assert ran.code == 0, ran.err
    assert toy.journal()[-1] == f"matte guide={kind}"
    assert (cli.folder / "a.exr").exists()
    assert (cli.folder / "f.exr").exists()
    blind = start_toy(hide=(cli.folder,))
    ran = cli.run("matte", plate, "--server", blind.target, *arguments, "--overwrite")
    assert ran.code == 0, ran.err
    assert blind.journal()[-1] == f"matte guide={kind}_handle"


# ---- the client alone -----------------------------------------------------------------------


def test_importing_the_client_imports_no_server_and_no_arrays() -> None:
    script = (
        "import sys\n"
        "import airoto_client.cli, airoto_client.bridge_link, airoto_client.marks\n"
        "heavy = {'torch', 'numpy', 'cv2', 'airoto_server', 'rich', 'OpenImageIO'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.fixture
def without_server(cli, tmp_path: Path) -> None:
    """Python as if `airoto_server` were not installed."""
    hook = tmp_path / "hook"
    hook.mkdir()
    # None is how Python itself marks a module that must not be imported.
    hide = "import sys\nsys.modules['airoto_server'] = None\n"
    (hook / "sitecustomize.py").write_text(hide)
    before = cli.environment.get("PYTHONPATH", "")
    cli.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(hook), before]))


@pytest.mark.usefixtures("without_server")
@pytest.mark.parametrize(
    ("arguments", "code"), [(("serve",), 6), (("sample", "x"), 6), (("info",), 5)]
)
def test_what_needs_the_server_package_says_how_to_install_it(
    cli, arguments: tuple[str, ...], code: int
) -> None:
    ran = cli.run(*arguments)
    assert ran.code == code
    assert "airoto[server]" in ran.err
    assert "Traceback" not in ran.err


def test_the_command_line_runs_on_python_3_9(cli, toy, recipe_file) -> None:
    python = Path(__file__).resolve().parents[2] / ".venv-py39" / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no Python 3.9 with the client's packages here")
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root / "proto"), str(root / "nuke_plugin")]),
    }
    ran = subprocess.run(
        [python, "-m", "airoto_client.cli", "render", recipe_file(), "--server", toy.target],
        env=environment,
        cwd=cli.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "5 frames made" in ran.stdout
