"""The bridge: its lines, its environment, its end; and `BridgeLink` beside bad bridges."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import airoto_client
from airoto.errors import (
    BadRequestError,
    InternalError,
    ServerUnreachableError,
    TimedOutError,
    error_from_dict,
)
from airoto_client.bridge_link import BridgeLink
from airoto_client.bridge_protocol import (
    MAX_LINE,
    decode_line,
    describe_exit,
    encode_line,
    scrubbed_environment,
)

ROOT = Path(airoto_client.__file__).resolve().parents[2]


class RawBridge:
    """A bridge spoken to line by line."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.hello = self.read()["hello"]

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next line that is not a sign of life."""
        assert self.process.stdout is not None
        while True:
            message: dict[str, Any] = json.loads(self.process.stdout.readline())
            if "alive" not in message:
                return message

    def ask(self, **message: object) -> dict[str, Any]:
        self.write(json.dumps(message).encode())
        return self.read()


@pytest.fixture
def raw(toy, bridge_command) -> Iterator[RawBridge]:
    bridge = RawBridge([*bridge_command, toy.target])
    yield bridge
    assert bridge.process.stdin is not None
    assert bridge.process.stdout is not None
    bridge.process.stdin.close()
    bridge.process.stdout.close()
    assert bridge.process.wait(10) == 0


def test_the_bridge_greets_with_protocol_version_and_server(raw: RawBridge, toy) -> None:
    assert raw.hello["protocol"] == 1
    assert raw.hello["server"] == toy.target
    assert raw.hello["version"]


@pytest.mark.parametrize(
    ("line", "number", "words"),
    [
        (b"not json", None, "not JSON"),
        (b"[1, 2]", None, "not a JSON object"),
        (b'"x"', None, "not a JSON object"),
        (b"\xff\xfe", None, "not JSON"),
        (b"", None, "not JSON"),
        (b"{}", None, "id"),
        (b'{"id": true, "op": "call"}', None, "id"),
        (b'{"id": 5}', 5, "operation"),
        (b'{"id": 5, "op": "_run"}', 5, "operation"),
        (b'{"id": 5, "op": ["call"]}', 5, "operation"),
        (b'{"id": 5, "op": "call"}', 5, "method"),
        (b'{"id": 5, "op": "call", "method": "GetServerInfo"}', 5, "request"),
        (b'{"id": 5, "op": "call", "method": "X", "request": {}}', 5, "X"),
        (b'{"id": 5, "op": "call", "method": "X", "request": {}, "timeout": -1}', 5, "timeout"),
        (b'{"id": 5, "op": "download", "handle": "h"}', 5, "path"),
    ],
)
def test_a_malformed_line_is_answered_and_the_bridge_goes_on(
    raw: RawBridge, line: bytes, number: int | None, words: str
) -> None:
    raw.write(line)
    answer = raw.read()
    assert answer["id"] == number
    assert answer["error"]["kind"] == "bad_request"
    assert words in answer["error"]["message"]
    assert "result" in raw.ask(id=9, op="call", method="GetServerInfo", request={})


def test_a_line_that_is_too_long_is_answered_and_the_bridge_goes_on(raw: RawBridge) -> None:
    raw.write(b'{"id": 1, "op": "' + b"x" * MAX_LINE + b'"}')
    assert "longer" in raw.read()["error"]["message"]
    assert "result" in raw.ask(id=9, op="call", method="GetServerInfo", request={})


def test_an_id_in_use_is_refused(raw: RawBridge) -> None:
    hang = {"recipe": {"name": "hang"}}
    raw.write(json.dumps({"id": 1, "op": "call", "method": "Segment", "request": hang}).encode())
    answer = raw.ask(id=1, op="call", method="GetServerInfo", request={})
    assert "still running" in answer["error"]["message"]
    assert raw.ask(id=1, op="cancel")["error"]["kind"] == "cancelled"


def test_cancelling_what_does_not_run_is_no_error(raw: RawBridge) -> None:
    raw.write(b'{"id": 77, "op": "cancel"}')
    assert "result" in raw.ask(id=9, op="call", method="GetServerInfo", request={})


def test_the_bridge_ends_when_its_input_does_even_while_a_call_waits(toy, bridge_command) -> None:
    bridge = RawBridge([*bridge_command, toy.target])
    hang = {"recipe": {"name": "hang"}}
    bridge.write(json.dumps({"id": 1, "op": "call", "method": "Segment", "request": hang}).encode())
    assert bridge.process.stdin is not None
    assert bridge.process.stdout is not None
    bridge.process.stdin.close()
    assert bridge.process.wait(10) == 0
    bridge.process.stdout.close()


def test_the_bridge_ends_when_its_host_is_killed(toy, bridge_command, tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from airoto_client.bridge_link import BridgeLink\n"
        f"link = BridgeLink({[*bridge_command, toy.target]!r})\n"
        "print(link.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    host = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert host.stdout is not None
    bridge = int(host.stdout.readline())
    host.kill()
    host.wait()
    host.stdout.close()
    end = time.monotonic() + 10
    while _is_alive(bridge) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _is_alive(bridge)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waits for (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self/stat").exists()
    return state != "Z"


# ---- the host's side -----------------------------------------------------------------------


def script_bridge(body: str) -> list[str]:
    """A bridge that misbehaves."""
    return [sys.executable, "-c", "import json, sys, time\n" + body]


HELLO = "print(json.dumps({'hello': {'protocol': 1}}), flush=True)\n"


def test_a_bridge_that_is_not_installed_is_told() -> None:
    with pytest.raises(ServerUnreachableError, match="cannot be started: /no/such/airoto"):
        BridgeLink(["/no/such/airoto", "bridge"])


def test_a_bridge_that_dies_at_start_is_told_with_its_last_words() -> None:
    with pytest.raises(ServerUnreachableError, match="ended with code 3") as caught:
        BridgeLink(script_bridge("sys.stderr.write('no module grpc'); sys.exit(3)"))
    assert "no module grpc" in caught.value.message


def test_a_bridge_that_says_nothing_is_given_up() -> None:
    with pytest.raises(ServerUnreachableError, match=r"said nothing for 0\.5 seconds"):
        BridgeLink(script_bridge("sys.stdin.read()"), start_timeout=0.5)


def test_a_bridge_of_another_version_is_refused() -> None:
    with pytest.raises(ServerUnreachableError, match="speaks version 99, this side 1"):
        BridgeLink(script_bridge('print(\'{"hello": {"protocol": 99}}\', flush=True); input()'))


def test_a_bridge_that_is_killed_fails_the_call_that_waits(toy, bridge_command) -> None:
    with BridgeLink([*bridge_command, toy.target]) as link:
        answers = link.stream(
            "Render",
            {
                "recipe": {
                    "name": "slow",
                    "plate": {"frames": {"last": 99}},
                    "output": {"path": "/dev/null/%04d.exr"},
                }
            },
        )
        next(answers)
        os.kill(link.pid, signal.SIGKILL)
        with pytest.raises(ServerUnreachableError, match="killed by SIGKILL"):
            list(answers)
        with pytest.raises(ServerUnreachableError, match="killed by SIGKILL"):
            link.call("GetServerInfo", {})


def test_a_bridge_that_hangs_does_not_block_its_host() -> None:
    link = BridgeLink(script_bridge(HELLO + "sys.stdin.read()"), silence=1.0)
    with link, pytest.raises(ServerUnreachableError, match="silent"):
        next(link.stream("Render", {}))


def test_a_bridge_that_lives_but_does_not_answer_runs_into_the_deadline() -> None:
    body = HELLO + "while True:\n    print('{\"alive\": true}', flush=True)\n    time.sleep(0.2)"
    with BridgeLink(script_bridge(body)) as link, pytest.raises(TimedOutError):
        link.call("GetServerInfo", {}, timeout=0.2)


def test_a_bridge_that_does_not_read_blocks_no_caller() -> None:
    body = HELLO + "while True:\n    print('{\"alive\": true}', flush=True)\n    time.sleep(0.2)"
    with BridgeLink(script_bridge(body)) as link, pytest.raises(TimedOutError):
        # More than a pipe holds.
        link.call("Segment", {"recipe": {"name": "x" * 1_000_000}}, timeout=0.2)


def test_a_bridge_that_talks_nonsense_is_told() -> None:
    link = BridgeLink(script_bridge(HELLO + "print('Nuke says hello', flush=True); input()"))
    with link, pytest.raises(ServerUnreachableError, match="not JSON"):
        link.call("GetServerInfo", {})


def test_what_a_bridge_says_on_its_error_stream_never_fills_the_pipe(toy) -> None:
    body = "sys.stderr.write('noise\\n' * 200_000)\n" + HELLO + "input()"
    with BridgeLink(script_bridge(body)) as link:
        assert link.pid > 0


def test_a_message_that_is_too_long_is_refused_before_it_is_sent(toy, bridge_command) -> None:
    with BridgeLink([*bridge_command, toy.target]) as link:
        with pytest.raises(BadRequestError, match="at most"):
            link.call("Segment", {"recipe": {"name": "x" * MAX_LINE}})
        assert link.call("GetServerInfo", {})["version"] == "0.0.toy"


def test_a_number_that_json_does_not_have_is_refused(toy, bridge_command) -> None:
    link = BridgeLink([*bridge_command, toy.target])
    with link, pytest.raises(BadRequestError, match="not JSON"):
        link.call("Segment", {"recipe": {"plate": {"proxy_scale": float("nan")}}})


def test_the_bridge_starts_although_the_hosts_environment_is_hostile(
    toy, bridge_command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/opt/nuke/python")
    monkeypatch.setenv("PYTHONPATH", "/opt/nuke/site")
    with BridgeLink([*bridge_command, toy.target]) as link:
        assert link.call("GetServerInfo", {})["version"] == "0.0.toy"


def test_only_what_belongs_to_the_host_is_taken_from_the_environment() -> None:
    host = {
        "PYTHONHOME": "x",
        "PYTHONPATH": "x",
        "NUKE_PATH": "x",
        "LD_LIBRARY_PATH": "x",
        "LD_PRELOAD": "x",
        "DYLD_LIBRARY_PATH": "x",
        "DYLD_FRAMEWORK_PATH": "x",
        "QT_PLUGIN_PATH": "x",
        "QT_QPA_PLATFORM": "x",
    }
    ours = {"PATH": "/bin", "HOME": "/h", "AIROTO_SERVER": "unix:/s", "NUKE_TEMP_DIR": "/t"}
    assert scrubbed_environment({**host, **ours}) == ours


def test_the_bridge_link_needs_only_the_standard_library_of_python_3_9(toy, bridge_command) -> None:
    python = shutil.which("python3.9")
    version = {**os.environ, "PYENV_VERSION": "3.9.18", "PYTHONPATH": ""}
    if python is None or subprocess.run([python, "-V"], env=version, check=False).returncode:
        pytest.skip("there is no Python 3.9 here")
    script = (
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT / 'nuke_plugin')!r}, {str(ROOT / 'proto')!r}]\n"
        "from airoto_client.bridge_link import BridgeLink\n"
        "import airoto_client.link, airoto_client.exit_codes, airoto_client.ring\n"
        "from airoto_client.planes import Planes\n"
        "foreign = {'grpc', 'google', 'fileseq', 'rich', 'airoto.wire', 'airoto.v1'}\n"
        "wrong = foreign & set(sys.modules)\n"
        "assert not wrong, wrong\n"
        f"with BridgeLink({[*bridge_command, toy.target]!r}) as link:\n"
        "    print(link.call('GetServerInfo', {})['version'])\n"
        "    plane = {'width': 4, 'height': 2, 'channels': 1, 'pixel_type': 'PIXEL_TYPE_FLOAT'}\n"
        "    with Planes(link) as planes:\n"
        "        print(planes.send(bytes(32), plane).reason)\n"
    )
    ran = subprocess.run(
        [python, "-S", "-E", "-c", script], env=version, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "0.0.toy\nthe server offers no shared memory\n"


# ---- lines and errors ----------------------------------------------------------------------


def test_an_error_of_a_newer_version_is_an_internal_one() -> None:
    back = error_from_dict({"kind": "from_the_future", "message": "m"})
    assert type(back) is InternalError
    assert back.message == "m"


def test_a_line_is_one_object_and_one_line() -> None:
    line = encode_line({"id": 1, "text": "a\nb\u2028ü"})
    assert line.count(b"\n") == 1
    assert decode_line(line) == {"id": 1, "text": "a\nb\u2028ü"}


def test_deep_nesting_is_refused_not_a_crash() -> None:
    with pytest.raises(BadRequestError):
        decode_line(b"[" * 100_000)


def test_ends_of_processes_are_told_in_words() -> None:
    assert describe_exit(3) == "ended with code 3"
    assert describe_exit(-signal.SIGKILL) == "was killed by SIGKILL"
    assert describe_exit(-99) == "was killed by signal 99"
