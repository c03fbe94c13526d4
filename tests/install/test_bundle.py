"""Bundles: whole, checked before use, and installed where there is no network at all."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airoto_install.bundles import write_sums

ROOT = Path(__file__).resolve().parents[2]
INSTALLER = ROOT / "install" / "install.py"
HERE = "{}.{}".format(*sys.version_info[:2])
# A process without any network: not even its own loopback is up.
NO_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The client's bundle for this Python, made as a user makes it."""
    target = tmp_path_factory.mktemp("bundles") / "the bundle ü"
    done = subprocess.run(
        [sys.executable, str(INSTALLER), "bundle", str(target), "--client-only", "--python", HERE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture
def copy(bundle, tmp_path):
    """One to damage."""
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def install(scratch, where, *options, no_network=True):
    """The bundle's own installer, as a user runs it."""
    command = ["bash", str(where / "install" / "install.sh"), "--prefix", str(scratch.prefix)]
    return subprocess.run(
        [*(NO_NETWORK if no_network else []), *command, *options],
        env=scratch.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_bundle_holds_packages_licences_and_the_hash_of_every_file(bundle):
    sums = dict(
        line.split("  ", 1)[::-1] for line in (bundle / "SHA256SUMS").read_text().splitlines()
    )
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert set(sums) == files - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest
    packages = json.loads((bundle / "licences" / "licences.json").read_text())["packages"]
    assert {"airoto", "grpcio", "protobuf", "rich"} <= {one["name"] for one in packages}
    assert {one["file"] for one in packages} == {
        path.name for path in (bundle / "wheels").iterdir()
    }
    for one in packages:
        assert one["licence"] != "not stated", one
        for text in one["texts"]:
            assert (bundle / "licences" / text).stat().st_size
    facts = json.loads((bundle / "airoto-bundle.json").read_text())
    assert (facts["pythons"], facts["client_only"]) == ([HERE], True)


def test_it_installs_without_any_network_and_works(bundle, scratch):
    probe = subprocess.run([*NO_NETWORK, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no network namespaces here: {probe.stderr.strip()}")
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    alone = subprocess.run(
        [*NO_NETWORK, sys.executable, "-c", reach], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in alone.stderr
    # pip asks every compiler on PATH who it is, and some write to the home for that.
    scratch.environment["PATH"] = "/usr/bin:/bin"
    before = scratch.tree()
    digest = hashlib.sha256((bundle / "SHA256SUMS").read_bytes()).hexdigest()
    made = {path: path.stat().st_mtime_ns for path in bundle.rglob("*")}
    done = install(scratch, bundle, "--nuke", "--bundle-sha256", digest)
    # The installer ends with the doctor, whose verdict on a client alone is no failure.
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass  plug-in" in done.stdout
    assert "none is installed here and none is named" in done.stdout
    airoto = subprocess.run(
        [str(scratch.prefix / "bin" / "airoto"), "--version"],
        env=scratch.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert airoto.stdout.startswith("airoto ")
    # A medium may be read-only: nothing was put there.
    assert {path: path.stat().st_mtime_ns for path in bundle.rglob("*")} == made
    subprocess.run(
        ["bash", str(scratch.prefix / "current/install/install.sh"), "uninstall"],
        env=scratch.environment, check=True, capture_output=True,
    )  # fmt: skip
    assert scratch.tree() == before


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _wheel(folder):
    return next((folder / "wheels").glob("protobuf-*.whl"))


DAMAGES = {
    "a bit flipped in a wheel": (lambda copy: _flip(_wheel(copy)), "its sha256 differs"),
    "a wheel cut short": (lambda copy: os.truncate(_wheel(copy), 1000), "its sha256 differs"),
    "a wheel missing": (lambda copy: _wheel(copy).unlink(), "missing"),
    "a wheel too many": (
        lambda copy: shutil.copy(_wheel(copy), copy / "wheels" / "evil-9-py3-none-any.whl"),
        "evil-9-py3-none-any.whl: not in SHA256SUMS",
    ),
    "a link to elsewhere": (
        lambda copy: (copy / "proto" / "more").symlink_to("/etc"), "proto/more: not in SHA256SUMS",
    ),
    "code changed": (
        lambda copy: (copy / "nuke_plugin" / "init.py").write_text("import evil\n"),
        "nuke_plugin/init.py: its sha256 differs",
    ),
    "no hashes": (lambda copy: (copy / "SHA256SUMS").unlink(), "is no bundle"),
    "hashes that are none": (
        lambda copy: (copy / "SHA256SUMS").write_bytes(b"\xff\n"), "line 1 is not",
    ),
    "a name that leads out": (
        lambda copy: (copy / "SHA256SUMS").write_text(f"{'0' * 64}  ../../etc/passwd\n"),
        "line 1 is not",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_refused_and_nothing_changes(copy, scratch, damage):
    work, said = DAMAGES[damage]
    work(copy)
    before = scratch.tree()
    # By an installer that is trusted: the one of a damaged bundle is a part of it.
    done = scratch.run("--offline", copy, "--client-only", "--nuke")
    assert done.returncode == 2
    assert said in done.stderr
    assert scratch.tree() == before


def test_another_bundle_than_the_one_that_was_told_of_is_refused(bundle, scratch):
    done = scratch.run("--offline", bundle, "--bundle-sha256", "0" * 64)
    assert done.returncode == 2
    assert "SHA256SUMS has sha256" in done.stderr


def test_a_bundle_of_the_client_gives_no_server(bundle, scratch):
    done = scratch.run("--offline", bundle, "--with-server")
    assert done.returncode == 2
    assert "the client alone" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--python", "2.7"], "allowed: 3.11, 3.12, 3.13"),
        (["--python", "x"], "no Python version"),
        (["--client-only", "--weights", "modnet"], "weights are the server's"),
        (["--platform", "beos"], "invalid choice"),
        (["--platform", "windows-x86_64"], "is made on windows-x86_64"),
    ],
)
def test_what_cannot_be_bundled_is_refused_before_any_work(tmp_path, options, said):
    done = subprocess.run(
        [sys.executable, str(INSTALLER), "bundle", str(tmp_path / "bundle"), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_never_written_over(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine").touch()
    done = subprocess.run(
        [sys.executable, str(INSTALLER), "bundle", str(tmp_path / "bundle"), "--client-only"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["mine"]


# ---- weights in a bundle ---------------------------------------------------------------


@pytest.fixture
def with_weights(copy):
    """A bundle that says it has the server and weights whose licence forbids commercial use."""
    facts = json.loads((copy / "airoto-bundle.json").read_text())
    facts |= {"client_only": False, "weights": ["portrait"]}
    (copy / "airoto-bundle.json").write_text(json.dumps(facts))
    licences = json.loads((copy / "licences" / "licences.json").read_text())
    licences["weights"] = [
        {"name": "portrait", "licence": "CC-BY-NC-SA-4.0", "commercial_use": False}
    ]
    (copy / "licences" / "licences.json").write_text(json.dumps(licences))
    (copy / "weights" / "portrait").mkdir(parents=True)
    (copy / "weights" / "portrait" / "portrait.onnx").write_bytes(b"no network")
    write_sums(copy)
    return copy


def test_weights_that_are_not_allowed_here_are_refused_before_anything_changes(
    with_weights, scratch
):
    before = scratch.tree()
    done = scratch.run("--offline", with_weights, "--nuke")
    assert done.returncode == 8
    assert "portrait: their licence CC-BY-NC-SA-4.0 does not allow commercial use" in done.stderr
    assert "AIROTO_LICENSES=CC-BY-NC-SA-4.0" in done.stderr
    assert "--no-weights" in done.stderr
    assert scratch.tree() == before
    assert "weights import" not in scratch.must("--offline", with_weights, "--no-weights")
    for allowed in ("cc-by-nc-sa-4.0", "any"):
        shown = scratch.must("--offline", with_weights, "--dry-run", AIROTO_LICENSES=allowed)
        assert "weights import" in shown


def test_weights_that_cannot_be_brought_in_leave_what_an_uninstall_takes_out(with_weights, scratch):
    before = scratch.tree()
    # The light venv has no Python, so the step fails when the version is built.
    done = scratch.run("--offline", with_weights, "--nuke", AIROTO_LICENSES="any")
    assert done.returncode == 4
    assert "bring in the bundle's weights" in done.stderr
    assert not (scratch.prefix / "current").exists()
    assert not (scratch.home / ".nuke").exists()
    scratch.must("uninstall")
    assert scratch.tree() == before


def test_a_bundle_for_another_platform_is_refused_before_any_work(copy, scratch):
    facts = json.loads((copy / "airoto-bundle.json").read_text())
    facts["platform"] = "macos-arm64"
    (copy / "airoto-bundle.json").write_text(json.dumps(facts))
    write_sums(copy)
    done = scratch.run("--offline", copy)
    assert done.returncode == 2
    assert "is for macos-arm64, and this is" in done.stderr
    assert list(scratch.home.iterdir()) == []


def test_what_somebody_compiled_into_a_bundle_is_not_run(copy, scratch):
    """Hashes are of sources; Python would take a compiled file that lies beside them."""
    source = copy / "install" / "airoto_install" / "cli.py"
    evil = scratch.home.parent / "evil.py"
    evil.write_text("print('evil was run')\nraise SystemExit(0)\n")
    place = Path(importlib.util.cache_from_source(str(source)))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(evil), str(place), invalidation_mode=mode)
    done = install(scratch, copy, "--dry-run", no_network=False)
    assert "evil" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_weights_that_cannot_be_had_end_a_bundle_before_packages_are_fetched(tmp_path):
    done = subprocess.run(
        [sys.executable, str(INSTALLER), "bundle", str(tmp_path / "bundle"),
         "--python", "3.11", "--weights", "unheard-of"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 6
    assert "unheard-of" in done.stderr
    assert "fetch packages" not in done.stdout
    assert list(tmp_path.iterdir()) == []
