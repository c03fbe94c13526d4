"""The service: units as systemd and launchd read them, and the words they are told."""

from __future__ import annotations

import os
import plistlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

UNITS = {"airoto.socket", "airoto.service", "airoto-server.service"}


@pytest.fixture
def told(scratch, tmp_path):
    """What `systemctl` is told: there is none of ours to talk to in a test."""
    tools = tmp_path / "tools"
    tools.mkdir()
    log = tmp_path / "told.txt"
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{log}\n')
    (tools / "systemctl").chmod(0o755)
    scratch.environment["PATH"] = f"{tools}{os.pathsep}{scratch.environment['PATH']}"
    return lambda: log.read_text().splitlines()


@pytest.mark.parametrize("name", ["plain", "with space", "ünï — 目", 'quo\'te "x" %h $HOME \\'])
def test_the_units_are_valid_wherever_the_prefix_is(scratch, tmp_path, name):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    scratch.prefix = scratch.home / name
    scratch.must("--service")
    units = scratch.home / ".config/systemd/user"
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *(str(units / unit) for unit in sorted(UNITS))],
        env={**scratch.environment, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_units_come_are_renewed_and_go(scratch, told):
    units = scratch.home / ".config/systemd/user"
    scratch.must("--service", AIROTO_TEST_VERSION="1.0")
    assert {path.name for path in units.iterdir()} == UNITS
    assert told() == [
        "--user daemon-reload",
        "--user enable --now airoto.socket",
        "--user try-restart airoto-server.service",
    ]
    scratch.must("upgrade", AIROTO_TEST_VERSION="2.0")
    assert told()[3:] == ["--user try-restart airoto-server.service"]
    scratch.must("--no-service", AIROTO_TEST_VERSION="2.0")
    assert not scratch.home.joinpath(".config").exists() or not list(units.iterdir())
    assert told()[4:] == [
        "--user disable --now airoto.socket airoto.service airoto-server.service",
        "--user daemon-reload",
    ]


def test_units_of_somebody_else_stay(scratch, told):
    units = scratch.home / ".config/systemd/user"
    scratch.must("--service")
    (units / "airoto.socket").write_text("[Socket]\nListenStream=/mine\n")
    scratch.must("uninstall")
    assert [path.name for path in units.iterdir()] == ["airoto.socket"]


def test_a_manager_that_refuses_is_told_and_no_failure(scratch, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    (tools / "systemctl").chmod(0o755)
    scratch.environment["PATH"] = f"{tools}{os.pathsep}{scratch.environment['PATH']}"
    said = scratch.must("--service")
    assert "warning: it did not do so (no bus); later, by hand: systemctl --user enable" in said


def test_the_launchd_agent_is_a_property_list(tmp_path):
    from airoto_install.layout import Prefix
    from airoto_install.services import LABEL, plist

    prefix = Prefix(tmp_path / "a <b> & ü")
    document = plistlib.loads(plist(prefix, tmp_path / "logs").encode())
    assert document["Label"] == LABEL
    assert document["ProgramArguments"] == [str(prefix.current / "venv/bin/airoto"), "serve"]
    assert document["KeepAlive"] == {"SuccessfulExit": False}
    assert document["StandardErrorPath"].startswith(str(tmp_path / "logs"))


def test_the_server_says_that_it_listens(tmp_path):
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.bind(str(place))
        ears.settimeout(30)
        script = "from airoto_server.app.ready import tell_ready; tell_ready(); tell_ready()"
        roots = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "NOTIFY_SOCKET": str(place), "PYTHONPATH": roots}
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
        assert ears.recv(100) == b"READY=1"
        ears.setblocking(False)
        with pytest.raises(BlockingIOError):
            ears.recv(100)


def test_the_first_connection_starts_and_silence_ends_the_proxy(tmp_path):
    """As systemd does it, with its own tools: what the units rest on."""
    proxy = next(
        (path for path in ("/usr/lib/systemd/systemd-socket-proxyd",
                           "/lib/systemd/systemd-socket-proxyd") if Path(path).exists()), None
    )  # fmt: skip
    activate = shutil.which("systemd-socket-activate")
    if proxy is None or activate is None:
        pytest.skip("systemd's socket tools are not here")
    door, behind = tmp_path / "door.sock", tmp_path / "server.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(behind))
        server.listen()
        process = subprocess.Popen(
            [activate, "-l", str(door), proxy, "--exit-idle-time=1s", str(behind)],
            stderr=subprocess.DEVNULL,
        )
        try:
            while not door.exists():
                time.sleep(0.01)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(door))
                inner, _ = server.accept()
                client.sendall(b"a call")
                assert inner.recv(100) == b"a call"
                inner.close()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
