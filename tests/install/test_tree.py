"""Install, upgrade, roll back and uninstall on a scratch home: the expected tree, byte for byte."""

from __future__ import annotations

import re
import signal

import pytest

INIT = b"import nuke\r\nnuke.pluginAddPath('m\xc3\xa4rz')"  # CRLF, no line break at the end
MENU = b"# theirs\n"


@pytest.fixture
def lived_in(scratch):
    """A home with a Nuke folder and other things in it."""
    nuke = scratch.home / ".nuke"
    nuke.mkdir(mode=0o750)
    (nuke / "init.py").write_bytes(INIT)
    (nuke / "init.py").chmod(0o640)
    (nuke / "menu.py").write_bytes(MENU)
    (scratch.home / "notes.txt").write_text("mine")
    return scratch


def paths_of(scratch):
    """The prefix' paths less what a version holds."""
    found = [path.relative_to(scratch.prefix) for path in scratch.prefix.rglob("*")]
    return {str(path) for path in found if len(path.parts) < 3}


def version_named(scratch, start):
    """The full name of a version."""
    (found,) = (scratch.prefix / "versions").glob(f"{start}-*")
    return found.name


def test_a_dry_run_changes_nothing_and_says_what_the_run_then_does(lived_in):
    before = lived_in.tree()
    shown = lived_in.must("--dry-run", "--nuke", "--service")
    assert lived_in.tree() == before
    told = lived_in.must("--nuke", "--service").splitlines()
    steps = re.findall(r"^ *\d+\. (.*)$", shown, re.MULTILINE)
    assert len(steps) > 6
    made = [line for line in told if line in steps]
    assert made == steps
    assert "+    _airoto_plugin = " in shown


def test_an_installation_has_the_expected_tree(lived_in):
    lived_in.must("--nuke", AIROTO_TEST_VERSION="1.0")
    name = version_named(lived_in, "1.0")
    assert paths_of(lived_in) == {
        "airoto-install.json", "bin", "bin/airoto", "current", "versions", f"versions/{name}",
    }  # fmt: skip
    assert str((lived_in.prefix / "current").readlink()) == f"versions/{name}"
    assert {path.name for path in (lived_in.prefix / "current").iterdir()} == {
        "LICENSE", "pyproject.toml", "nuke_plugin", "proto", "venv", "airoto-version.json",
    }  # fmt: skip
    assert lived_in.answer() == "1.0"
    init = lived_in.home / ".nuke" / "init.py"
    assert init.read_bytes().startswith(INIT + b"\r\n# >>> AIRoto")
    assert b"\n" not in init.read_bytes().replace(b"\r\n", b"")
    assert init.stat().st_mode & 0o777 == 0o640
    assert (lived_in.home / ".nuke" / "menu.py").read_bytes() == MENU


def test_uninstalling_leaves_the_home_as_it_was(lived_in):
    before = lived_in.tree()
    lived_in.must("--nuke", "--service", AIROTO_TEST_VERSION="1.0")
    lived_in.must("upgrade", AIROTO_TEST_VERSION="2.0")
    assert lived_in.tree() != before
    lived_in.must("uninstall")
    assert lived_in.tree() == before


def test_what_others_put_there_meanwhile_stays(lived_in):
    lived_in.must("--nuke")
    init = lived_in.home / ".nuke" / "init.py"
    init.write_bytes(b"# above\r\n" + init.read_bytes() + b"# below\r\n")
    (lived_in.prefix / "mine.txt").write_text("mine")
    (lived_in.prefix / "versions" / "other").mkdir()
    lived_in.must("uninstall")
    assert init.read_bytes() == b"# above\r\n" + INIT + b"\r\n# below\r\n"
    assert paths_of(lived_in) == {"mine.txt", "versions", "versions/other"}


def test_the_same_again_changes_nothing(lived_in):
    lived_in.must("--nuke", "--service")
    before = lived_in.tree()
    stamps = {path: path.lstat().st_mtime_ns for path in lived_in.home.rglob("*")}
    lived_in.must("--nuke", "--service")
    assert lived_in.tree() == before
    changed = [path for path, stamp in stamps.items() if path.lstat().st_mtime_ns != stamp]
    assert set(changed) <= {lived_in.prefix}  # its lock came and went


def test_versions_lie_side_by_side_and_roll_back(scratch):
    for version in ("1.0", "2.0", "3.0"):
        scratch.must("--nuke", AIROTO_TEST_VERSION=version)
        assert scratch.answer() == version
    init = (scratch.home / ".nuke" / "init.py").read_bytes()
    assert scratch.must("versions").count("\n") == 3
    scratch.must("rollback")
    assert scratch.answer() == "2.0"
    scratch.must("rollback")
    assert scratch.answer() == "1.0"
    done = scratch.run("rollback")
    assert done.returncode == 2
    assert "no version before" in done.stderr
    scratch.must("rollback", version_named(scratch, "3.0"))
    assert scratch.answer() == "3.0"
    # Nuke's file never changes for it.
    assert (scratch.home / ".nuke" / "init.py").read_bytes() == init


def test_pruning_keeps_this_version_and_the_one_before(scratch):
    for version in ("1.0", "2.0", "3.0"):
        scratch.must(AIROTO_TEST_VERSION=version)
    scratch.must("prune")
    assert {path.name[:3] for path in (scratch.prefix / "versions").iterdir()} == {"2.0", "3.0"}
    scratch.must("rollback")
    assert scratch.answer() == "2.0"


def test_a_studio_folder_gets_the_block_and_an_upgrade_keeps_it(scratch):
    studio = scratch.home / "studio" / "nuke"
    scratch.must("--nuke", studio, AIROTO_TEST_VERSION="1.0")
    scratch.must("upgrade", AIROTO_TEST_VERSION="2.0")
    assert b"current/nuke_plugin" in (studio / "init.py").read_bytes()
    assert not (scratch.home / ".nuke").exists()
    scratch.must("uninstall")
    assert list(scratch.home.iterdir()) == []


def test_a_linked_init_stays_a_link(scratch):
    kept = scratch.home / "dotfiles" / "nuke_init.py"
    kept.parent.mkdir()
    kept.write_bytes(b"x = 1\n")
    (scratch.home / ".nuke").mkdir()
    (scratch.home / ".nuke" / "init.py").symlink_to(kept)
    before = scratch.tree()
    scratch.must("--nuke")
    assert (scratch.home / ".nuke" / "init.py").is_symlink()
    assert b"AIRoto" in kept.read_bytes()
    scratch.must("uninstall")
    assert scratch.tree() == before


def test_a_failed_first_installation_leaves_nothing(lived_in):
    before = lived_in.tree()
    done = lived_in.run("--nuke", AIROTO_TEST_FAULT="fail")
    assert done.returncode == 4
    assert "as the test wants" in done.stderr
    assert lived_in.tree() == before


def test_a_failed_upgrade_leaves_the_former_version_as_it_was(lived_in):
    lived_in.must("--nuke", AIROTO_TEST_VERSION="1.0")
    before = lived_in.tree()
    done = lived_in.run("upgrade", AIROTO_TEST_VERSION="2.0", AIROTO_TEST_FAULT="fail")
    assert done.returncode == 4
    assert lived_in.tree() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 130), (signal.SIGINT, 130)]
)
def test_a_killed_upgrade_leaves_the_former_version_working(lived_in, number, code):
    lived_in.must("--nuke", AIROTO_TEST_VERSION="1.0")
    before = lived_in.tree()
    killed = lived_in.start("upgrade", AIROTO_TEST_VERSION="2.0")
    killed.send_signal(number)
    killed.communicate()
    assert killed.returncode == code
    assert lived_in.answer() == "1.0"
    if number != signal.SIGKILL:
        assert lived_in.tree() == before
    lived_in.must("upgrade", AIROTO_TEST_VERSION="3.0")
    assert lived_in.answer() == "3.0"
    assert not list((lived_in.prefix / "versions").glob("2.0-*"))


def test_a_kill_between_record_and_switch_is_made_good(scratch):
    scratch.must(AIROTO_TEST_VERSION="1.0")
    scratch.must(AIROTO_TEST_VERSION="2.0")
    # As if the installer had died when the record was written, but the link not yet switched.
    (scratch.prefix / "current").unlink()
    (scratch.prefix / "current").symlink_to(f"versions/{version_named(scratch, '1.0')}")
    assert scratch.answer() == "1.0"
    scratch.must(AIROTO_TEST_VERSION="2.0")
    assert scratch.answer() == "2.0"
    scratch.must("rollback")
    assert scratch.answer() == "1.0"


def test_a_second_installer_is_told_that_one_is_at_work(scratch):
    first = scratch.start("install")
    try:
        second = scratch.run("install")
        assert second.returncode == 7
        assert "another installer is at work" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate()
    assert list(scratch.home.iterdir()) == []
    scratch.must("install")
