"""`airoto doctor`: what it finds, the next step, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airoto_client.nuke_setup.block import with_block

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "nuke_plugin"
ROOTS = [str(ROOT / name) for name in ("proto", "nuke_plugin", "server")]


@pytest.fixture
def doctor(tmp_path):
    """Runs it in a home of its own; gives its exit code and its checks by name."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*options, **more):
        environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "AIROTO_CACHE": "off",
            "PYTHONPATH": os.pathsep.join(ROOTS),
            **more,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "airoto_client.cli", "doctor", "--json", *options],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
        states = [line["state"] for line in lines]
        assert last["event"] == "doctor"
        assert [last[state] for state in ("pass", "warn", "fail")] == [
            states.count(state) for state in ("pass", "warn", "fail")
        ]
        assert last["exit_code"] == done.returncode == (11 if "fail" in states else 0)
        for line in lines:
            assert line["found"]
            # What is not as it should be has its next step; what is needs none.
            assert bool(line["next_step"]) == (line["state"] != "pass"), line
        return done.returncode, {line["name"]: line for line in lines}

    run.home = home
    return run


def test_a_real_server_renders_the_clip_and_nuke_s_way_to_it_works(doctor):
    code, checks = doctor()
    assert code == 0
    for name in ("AIRoto", "Python", "torch", "device", "driver", "memory", "folders", "socket",
                 "server", "bridge", "render"):  # fmt: skip
        assert checks[name]["state"] in ("pass", "warn"), checks[name]
    assert checks["render"]["state"] == "pass"
    assert "3 of 3 frames" in checks["render"]["found"]
    assert checks["weights"]["state"] == "warn"
    assert "classic" in checks["weights"]["found"]


def test_the_plug_in_that_nuke_would_find(doctor, tmp_path):
    def state(**more):
        code, checks = doctor("--no-render", **more)
        return code, checks["plug-in"]["state"], checks["plug-in"]["found"]

    assert state()[:2] == (0, "warn")
    init = doctor.home / ".nuke" / "init.py"
    init.parent.mkdir()
    whole = with_block(b"x = 1\n", PLUGIN, init)
    init.write_bytes(whole)
    code, found, words = state()
    assert (code, found) == (0, "pass"), words
    assert str(PLUGIN) in words
    init.write_bytes(whole.replace(b"try:", b"if 1:"))
    assert state()[:2] == (11, "fail")
    init.write_bytes(with_block(None, tmp_path / "gone", init))
    code, found, words = state()
    assert (code, found) == (11, "fail")
    assert "not there" in words


def test_nukes_and_a_socket_s_folder_that_is_open_to_others(doctor):
    for name in ("Nuke13.2v9", "Nuke16.0v3"):
        (doctor.home / name).mkdir()
        (doctor.home / name / name.split("v")[0]).touch()
    run = doctor.home / ".airoto" / "run"
    run.mkdir(parents=True)
    run.chmod(0o755)
    code, checks = doctor("--no-render")
    assert code == 11
    assert checks["Nuke"]["state"] == "pass"
    assert checks["Nuke"]["found"].startswith("Nuke16.0v3")
    assert checks["socket"]["state"] == "fail"
    assert checks["socket"]["next_step"] == f"chmod 700 {run}"


def test_a_torch_that_does_not_import_is_one_line(doctor, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torch.py").write_text("raise OSError('libcudart.so.12: cannot open')\n")
    paths = os.pathsep.join([str(broken), *ROOTS])
    code, checks = doctor("--no-render", PYTHONPATH=paths)
    assert code == 11
    assert checks["torch"]["state"] == "fail"
    assert "libcudart.so.12" in checks["torch"]["found"]
    assert checks["socket"]["state"] == "pass"


def test_a_named_server_that_does_not_answer_fails(doctor, tmp_path):
    code, checks = doctor(AIROTO_SERVER=f"unix:{tmp_path}/nobody.sock")
    assert code == 11
    assert checks["server"]["state"] == "fail"
    assert "nobody.sock" in checks["server"]["found"]
