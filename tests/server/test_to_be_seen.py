"""What a server shows of itself: status, metrics, its log and the page."""

from __future__ import annotations

import html.parser
import http.client
import json
import re
import shutil
import subprocess
import time
import urllib.parse
from pathlib import Path

import pytest

from airoto.errors import FrameMissingError
from airoto.wire.access import start_token_path
from airoto_client.cli import main
from airoto_client.grpc_link import GrpcLink
from airoto_server.app.sample import SamplePaths
from airoto_server.service.page import StatusPage

from .conftest import RunningServer, StartServer
from .rendering import drawn_recipe, render
from .serving import held_engines, served


@pytest.fixture(scope="module")
def shown(start_server: StartServer) -> RunningServer:
    """A server with a page and a log in JSON."""
    return start_server("--status-page", 0, "--log-format", "json", "--threads", 2)


def page_of(server: RunningServer) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(server.link.call("GetStatus", {})["page_url"])


def asked(
    server: RunningServer, path: str, method: str = "GET", **headers: str
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", page_of(server).port, timeout=20)
    connection.request(method, path, headers=headers)
    return connection.getresponse()


def logged(server: RunningServer) -> list[dict[str, object]]:
    lines = server.local.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


# ---- status ----------------------------------------------------------------------------


def test_the_status_tells_devices_models_stores_and_the_process(
    clip: SamplePaths, shown: RunningServer, tmp_path: Path
) -> None:
    render(shown.link, drawn_recipe(clip, tmp_path / "a.####.exr"))
    status = shown.link.call("GetStatus", {})
    assert status["pid"] == shown.pid
    assert [device["name"] for device in status["devices"]] == ["cpu"]
    assert any(model["name"].startswith("tracker") for model in status["models"])
    assert {"embeddings", "uploads and handles"} <= {store["name"] for store in status["stores"]}
    assert int(status["process"]["resident_bytes"]) > 1_000_000
    assert "jobs" not in status


# ---- metrics ---------------------------------------------------------------------------


def samples(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def test_metrics_count_calls_and_frames(
    clip: SamplePaths, shown: RunningServer, tmp_path: Path
) -> None:
    before = samples(shown.link.call("GetStatus", {"metrics": True})["metrics"])
    render(shown.link, drawn_recipe(clip, tmp_path / "a.####.exr"))
    with pytest.raises(FrameMissingError):
        shown.link.call("ProbePlate", {"plate": {"path": str(tmp_path / "none.####.exr")}})
    token = start_token_path(page_of(shown).port or 0).read_text().strip()
    answer = asked(shown, "/metrics", Authorization=f"Bearer {token}")
    assert answer.status == 200
    after = samples(answer.read().decode())

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown('airoto_calls_total{method="Render",status="OK"}') == 1
    assert grown('airoto_calls_total{method="ProbePlate",status="NOT_FOUND"}') == 1
    assert grown('airoto_frames_total{stage="matte"}') == 8
    assert grown('airoto_frame_seconds_count{stage="matte"}') == 8
    # One for every frame that is tracked; a mask that no matter refines takes none.
    assert 8 <= grown('airoto_turn_seconds_count{device="cpu",urgency="batch"}') < 16
    assert after['airoto_renders{state="running"}'] == 0
    assert after['airoto_store_bytes{store="embeddings"}'] >= 0
    assert after["airoto_decoder_restarts_total"] == 0


def test_metrics_hold_no_paths_names_or_ids(
    clip: SamplePaths, shown: RunningServer, tmp_path: Path
) -> None:
    render(shown.link, drawn_recipe(clip, tmp_path / "secretshow.####.exr", name="secretshow"))
    text = shown.link.call("GetStatus", {"metrics": True})["metrics"]
    assert "secretshow" not in text
    assert str(tmp_path) not in text
    assert "@" not in text
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {"method", "status", "stage", "device", "urgency", "le", "version"} | {
        "state",
        "tier",
        "store",
    }


# ---- the log ---------------------------------------------------------------------------


def test_a_render_is_one_line_in_the_log(
    clip: SamplePaths, shown: RunningServer, tmp_path: Path
) -> None:
    outcome = render(shown.link, drawn_recipe(clip, tmp_path / "a.####.exr"))
    line = [one for one in logged(shown) if one.get("method") == "Render"][-1]
    assert line["recipe_hash"] == outcome.plan["recipe_hash"]
    assert line["frames"] == 8
    assert line["outcome"] == "ok"
    assert line["code"] == "OK"
    assert float(str(line["seconds"])) > 0
    assert "@" in str(line["client"])


def test_a_clients_error_names_the_request_that_the_log_names(
    shown: RunningServer, tmp_path: Path
) -> None:
    with pytest.raises(FrameMissingError) as caught:
        shown.link.call("ProbePlate", {"plate": {"path": str(tmp_path / "none.####.exr")}})
    ended: list[object] = []
    end = time.monotonic() + 20
    while not ended and time.monotonic() < end:  # the line is written after the answer
        lines = (one for one in logged(shown) if one.get("request_id") == caught.value.request_id)
        ended = [one["outcome"] for one in lines if "outcome" in one]
    assert ended == ["frame_missing"]


def test_the_token_of_the_page_is_in_no_log(shown: RunningServer) -> None:
    token = page_of(shown).path.strip("/")
    assert asked(shown, f"/{token}/").status == 200
    assert len(token) >= 32
    assert token not in shown.local.log.read_text()


# ---- the page --------------------------------------------------------------------------


class Outside(html.parser.HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [v or "" for k, v in attrs if k in ("src", "href", "action", "srcset")]


def test_the_page_fetches_nothing_from_elsewhere(shown: RunningServer) -> None:
    answer = asked(shown, page_of(shown).path)
    body = answer.read().decode()
    parser = Outside()
    parser.feed(body)
    assert parser.fetched == ["data:,"]
    policy = answer.getheader("Content-Security-Policy", "")
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
    assert nonce is not None
    assert f'<script nonce="{nonce[1]}">' in body
    assert answer.getheader("Access-Control-Allow-Origin") is None
    assert answer.getheader("Referrer-Policy") == "no-referrer"


def test_the_page_needs_its_token(shown: RunningServer) -> None:
    for path in ("/", "/status.json", "/metrics", "/wrong/", "/wrong/metrics", "//status.json"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
            answer = asked(shown, path, **headers)
            assert (answer.status, answer.read()) == (404, b"not found\n"), path
            assert answer.getheader("Server", "").strip() == "http"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", ""])
def test_another_host_name_gets_nothing(shown: RunningServer, host: str) -> None:
    page = page_of(shown)
    answer = asked(shown, page.path, Host=host.format(port=page.port))
    assert answer.status == 421
    assert b"AIRoto" not in answer.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_only_get_is_answered(shown: RunningServer, method: str) -> None:
    assert asked(shown, page_of(shown).path, method).status == 501


def test_the_page_listens_on_loopback_alone(shown: RunningServer) -> None:
    port = page_of(shown).port
    assert port is not None
    here = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    listening = [line.split()[1] for line in here.splitlines() if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [
        f"0100007F:{port:04X}"
    ]


def test_without_the_option_nothing_listens_on_tcp(server: RunningServer) -> None:
    assert "page_url" not in server.link.call("GetStatus", {})
    opened = [str(each.readlink()) for each in Path(f"/proc/{server.pid}/fd").iterdir()]
    sockets = {name[8:-1] for name in opened if name.startswith("socket:[")}
    assert sockets
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    assert not {line.split()[9] for line in lines.splitlines()} & sockets


def test_chromium_shows_the_page_and_takes_no_name_for_markup(
    clip: SamplePaths, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    recipe = drawn_recipe(
        clip, tmp_path / "a.####.exr", name="<b>sq010</b>", track={"engine": "held"}
    )
    with held_engines() as desk, served() as server, GrpcLink(server.target) as link:
        page = StatusPage(0, server.servicer.status, lambda: "")
        stream = link.stream("Render", {"recipe": recipe})
        assert "plan" in next(stream)
        desk.let(2)
        desk.wait_for(3)
        document = _dumped(browser, page.url, tmp_path)
        desk.let(10_000)
        list(stream)
        page.close()
    assert re.search(r'id="state"[^>]*class="good"[^>]*>live<', document)
    assert "0.1.0 · process" in document
    assert "&lt;b&gt;sq010&lt;/b&gt;" in document
    assert "<b>sq010" not in document
    assert " / 8<" in document
    assert "embeddings" in document


def _dumped(browser: str, url: str, folder: Path) -> str:
    """The page's document after its scripts ran for a while."""
    options = ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "dump-dom")
    command = [browser, *(f"--{option}" for option in options), "--virtual-time-budget=3000"]
    ran = subprocess.run(
        [*command, f"--user-data-dir={folder / 'profile'}", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout


# ---- airoto status -----------------------------------------------------------------------


def test_the_status_command_prints_once_off_a_terminal(
    shown: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--server", shown.local.target]) == 0
    said = capsys.readouterr().out
    for word in ("devices", "renders", "resident models", "sessions and cache", "cpu", "idle"):
        assert word in said
    assert "\x1b" not in said


def test_the_status_command_speaks_json_metrics_and_the_url(
    shown: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--server", shown.local.target, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["pid"]) == ("status", shown.pid)
    assert main(["status", "--server", shown.local.target, "--metrics"]) == 0
    assert "airoto_info{" in capsys.readouterr().out
    assert main(["status", "--server", shown.local.target, "--url"]) == 0
    assert capsys.readouterr().out.strip() == page_of(shown).geturl()


def test_the_status_command_starts_no_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--server", f"unix:{tmp_path}/none.sock"]) == 5
    assert "airoto serve" in capsys.readouterr().err


def test_a_server_without_a_page_says_how_to_get_one(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--server", server.local.target, "--url"]) == 2
    assert "--status-page" in capsys.readouterr().err
