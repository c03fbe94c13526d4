"""What an installer meets on real machines: no rights, no room, odd names, other things there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

import pytest

from .conftest import ROOT


def test_a_prefix_that_cannot_be_written_is_told(scratch):
    locked = scratch.home / "locked"
    locked.mkdir(mode=0o555)
    before = scratch.tree()
    done = bound_by_rights(scratch, "--prefix", locked / "airoto")
    assert done.returncode == 4
    assert "cannot use the prefix" in done.stderr
    assert str(locked) in done.stderr
    assert scratch.tree() == before


def test_an_init_that_cannot_be_written_is_told_and_stays(scratch):
    init = scratch.home / ".nuke" / "init.py"
    init.parent.mkdir()
    init.write_bytes(b"x = 1\n")
    init.chmod(0o444)
    done = bound_by_rights(scratch, "--nuke")
    assert done.returncode == 4
    assert "read-only" in done.stderr
    assert init.read_bytes() == b"x = 1\n"


def bound_by_rights(scratch, *arguments):
    """The installer by a user whom the rights of files bind; of root, that is taken away."""
    command = scratch.command(*arguments)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root is not bound by rights, and setpriv is not here")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(
        command, env=scratch.environment, capture_output=True, text=True, check=False
    )


def test_a_full_disk_ends_the_upgrade_and_the_former_version_works(scratch):
    scratch.prefix.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(scratch.prefix)]
    script = '"$@" && shift 7 && '  # what follows runs inside the mount
    steps = " && ".join(
        f"{name}={value} {words}"
        for name, value, words in (
            ("AIROTO_TEST_VERSION", "1.0", shlex.join(scratch.command("install"))),
            ("AIROTO_TEST_VERSION", "2.0 AIROTO_TEST_FAULT=full",
             f"sh -c {shlex.quote(shlex.join(scratch.command('upgrade')) + '; echo code $?')}"),
            ("X", "y", shlex.join([str(scratch.prefix / "bin" / "airoto")])),
            ("X", "y", f"ls {shlex.quote(str(scratch.prefix / 'versions'))}"),
        )
    )  # fmt: skip
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script + steps, "sh"]
    done = subprocess.run(
        [*inside, *mount],
        env=scratch.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounts of our own here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    assert "code 4" in done.stdout
    said = done.stdout.splitlines()
    assert "1.0" in said[said.index("code 4") :]
    assert [line[:3] for line in said[-1:]] == ["1.0"]


def test_a_folder_with_other_things_is_refused_as_prefix(scratch):
    (scratch.home / "work").mkdir()
    (scratch.home / "work" / "shot.nk").write_text("Root {}")
    before = scratch.tree()
    done = scratch.run("--prefix", scratch.home / "work")
    assert done.returncode == 2
    assert "shot.nk" in done.stderr
    assert scratch.tree() == before


@pytest.mark.parametrize("name", ["a:b", "a\nb"])
def test_a_prefix_that_venvs_cannot_live_in_is_refused(scratch, name):
    done = scratch.run("--prefix", scratch.home / name)
    assert done.returncode == 2
    assert list(scratch.home.iterdir()) == []


@pytest.mark.parametrize("name", ["plain", "with space", "ünï — 目", 'quo\'te "x" %h $HOME \\'])
def test_a_prefix_may_have_any_other_name(scratch, name):
    scratch.prefix = scratch.home / name
    scratch.must("--nuke", "--service")
    assert scratch.answer()
    scratch.must("uninstall")
    assert list(scratch.home.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "cannot be read"), ('{"schema": 99}', "another installer"), ("[]", "cannot be read")],
)
def test_a_record_that_cannot_be_read_is_told(scratch, text, said):
    scratch.must()
    (scratch.prefix / "airoto-install.json").write_text(text)
    for verb in ("install", "rollback", "uninstall", "prune"):
        done = scratch.run(verb)
        assert done.returncode == 2
        assert said in done.stderr
    assert scratch.answer()


@pytest.mark.parametrize("verb", ["rollback", "upgrade", "prune"])
def test_verbs_that_need_an_installation_say_that_there_is_none(scratch, verb):
    done = scratch.run(verb)
    assert done.returncode == 2
    assert "there is no AIRoto" in done.stderr
    assert list(scratch.home.iterdir()) == []


def test_uninstalling_where_nothing_is_does_nothing(scratch):
    assert "there is no AIRoto" in scratch.must("uninstall")
    assert list(scratch.home.iterdir()) == []


def test_a_client_without_a_server_has_no_service(scratch):
    done = scratch.run("--client-only", "--service")
    assert done.returncode == 2
    assert "service" in done.stderr
    scratch.must("--service")
    scratch.must("--client-only")
    assert not list(scratch.home.glob(".config/systemd/user/*"))


def test_a_python_that_was_named_and_does_not_run_is_told_and_no_other_taken(scratch, tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for named in (old, tmp_path / "none"):
        done = subprocess.run(
            ["bash", str(ROOT / "install" / "install.sh"), "versions"],
            env={**scratch.environment, "AIROTO_PYTHON": str(named)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 6
        assert str(named) in done.stderr
    done = scratch.run("--python", tmp_path / "none")
    assert done.returncode == 6
    assert "is no Python that runs here" in done.stderr
