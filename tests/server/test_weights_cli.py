"""`airoto weights`: what it prints and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from airoto_server.weights.cli import main

from .weights_server import checkpoint, serving, sha256, write_manifest

BODY = b"weights" * 100
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("http_proxy", "HTTP_PROXY", "AIROTO_LICENSES", "AIROTO_WEIGHTS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIROTO_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str, source: str = "https://example.org/") -> int:
        manifest = write_manifest(
            tmp_path / "m.toml",
            [source],
            checkpoint("sam", {"sam.pt": (sha256(BODY), len(BODY))}),
            checkpoint("new", {"new.pt": ("", 0)}),
            checkpoint(
                "nc", {"nc.pt": (sha256(b"n"), 1)}, licence="CC-BY-NC-4.0", commercial=False
            ),
        )
        return main(["--manifest", str(manifest), *arguments])

    return run


def test_list_shows_every_checkpoint_with_its_state(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert "sam" in shown
    assert "missing" in shown
    assert "licence not allowed" in shown


def test_list_fits_a_narrow_terminal_and_says_below_what_to_do(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run("list") == 0
    shown = capsys.readouterr().out.splitlines()
    assert any("sam" in line and "missing" in line for line in shown)
    assert any(line.startswith("nc: ") and "AIROTO_LICENSES" in line for line in shown)


def test_import_as_something_else_says_what_was_looked_for(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.pth").write_bytes(b"other")
    assert run("import", str(tmp_path / "x.pth"), "--as", "sam") == 2
    told = capsys.readouterr().err
    assert "no file of checkpoint 'sam'" in told
    assert "sam.pt (700 bytes)" in told
    assert "--as" not in told


def test_list_as_json_is_whole(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["sam"]["state"] == "missing"
    assert rows["sam"]["fix"] == "airoto weights fetch sam"
    assert rows["nc"]["state"] == "forbidden"
    assert rows["nc"]["commercial_use"] is False


def test_fetch_then_path_then_verify(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        server.files["/sam.pt"] = BODY
        assert run("fetch", "sam", source=server.url) == 0
    capsys.readouterr()
    assert run("path", "sam") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'store' / 'sam' / 'sam.pt'}\n"
    assert run("verify") == 0
    (tmp_path / "store/sam/sam.pt").write_bytes(b"x" * len(BODY))
    assert run("verify", "sam") == 6


def test_verify_hashes_again_what_was_remembered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "store/sam").mkdir(parents=True)
    (tmp_path / "store/sam/sam.pt").write_bytes(BODY)
    assert run("path", "sam") == 0
    memory = tmp_path / "cache/airoto/weights-hashes.json"
    memory.write_text(memory.read_text().replace(sha256(BODY), "0" * 64))
    assert run("path", "sam") == 6
    assert run("verify", "sam") == 0


def test_import_and_lock(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "new.pt")
    assert run("import", str(tmp_path / "new.pt")) == 0
    assert "recorded: seen for the first time" in capsys.readouterr().out
    assert run("lock") == 0
    assert run("path", "new") == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("list", "--nonsense"), 2),
        (("fetch",), 2),
        (("import", "/nowhere/at/all"), 2),
        (("path", "sam"), 6),
        (("path", "unknown"), 6),
        (("fetch", "nc"), 6),
        (("lock", "new"), 6),
        (("--help",), 0),
    ],
)
def test_how_it_ends(run: Run, arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments) == code


def test_a_dead_network_ends_with_5_and_says_what_to_do(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        url = server.url
        server.files.clear()
        assert run("fetch", "sam", source=url) == 5
    assert "airoto weights import" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_ends_with_4(run: Run, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    assert run("fetch", "sam") == 4


def test_errors_as_json_have_kind_message_and_hint(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", "path", "sam") == 6
    assert json.loads(capsys.readouterr().out)["hint"] == "airoto weights fetch sam"
