"""Fetching weights from a real server: resumed, checked, named only when right."""

from __future__ import annotations

import random
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from airoto.errors import (
    BusyError,
    EngineUnavailableError,
    OutOfSpaceError,
    OutputError,
    ServerUnreachableError,
)
from airoto_server.weights.download import Transfer
from airoto_server.weights.fetch import fetch
from airoto_server.weights.manifest import read_manifest
from airoto_server.weights.pins import read_pins
from airoto_server.weights.store import State, WeightStore

from .weights_server import WeightServer, checkpoint, serving, sha256, write_manifest

BODY = random.Random(7).randbytes(300_000)
QUICK = Transfer(attempts=2, pause=0.01, timeout=0.5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as served:
        served.files["/sam.pt"] = BODY
        yield served


def store_of(tmp_path: Path, sources: list[str], *checkpoints: str) -> WeightStore:
    manifest = read_manifest(write_manifest(tmp_path / "manifest.toml", sources, *checkpoints))
    return WeightStore((tmp_path / "store",), manifest)


def sam(tmp_path: Path, server: WeightServer, body: bytes = BODY, **options: object) -> WeightStore:
    sources = [server.url, *options.pop("more", [])]  # type: ignore[call-overload]
    return store_of(
        tmp_path,
        sources,
        checkpoint("sam", {"sam.pt": (sha256(body), len(body))}, **options),  # type: ignore[arg-type]
    )


def part(store: WeightStore, name: str = "sam", file: str = "sam.pt") -> Path:
    return store.folders[0] / name / f"{file}.part"


def test_a_checkpoint_is_fetched_and_ready(tmp_path: Path, server: WeightServer) -> None:
    store = sam(tmp_path, server)
    seen: list[tuple[str, int, int]] = []
    status = fetch(store, "sam", transfer=QUICK, progress=lambda *told: seen.append(told))
    assert status.ready
    assert status.path == tmp_path / "store" / "sam" / "sam.pt"
    assert status.path.read_bytes() == BODY
    assert status.sha256 == sha256(BODY)
    assert seen[0] == ("sam.pt", 0, len(BODY))
    assert seen[-1] == ("sam.pt", len(BODY), len(BODY))
    assert sorted(path.name for path in status.path.parent.iterdir()) == ["sam.pt"]


def test_what_is_ready_is_not_fetched_again(tmp_path: Path, server: WeightServer) -> None:
    store = sam(tmp_path, server)
    fetch(store, "sam", transfer=QUICK)
    fetch(store, "sam", transfer=QUICK)
    assert len(server.asked) == 1


def test_a_broken_transfer_goes_on_where_it_stopped(tmp_path: Path, server: WeightServer) -> None:
    store = sam(tmp_path, server)
    server.cut = [100_000, 50_000]
    assert fetch(store, "sam", transfer=QUICK).ready
    assert [span for _, span in server.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_the_next_run_goes_on_where_the_last_one_stopped(
    tmp_path: Path, server: WeightServer
) -> None:
    store = sam(tmp_path, server)
    part(store).parent.mkdir(parents=True)
    part(store).write_bytes(BODY[:120_000])
    assert fetch(store, "sam", transfer=QUICK).ready
    assert [span for _, span in server.asked] == ["bytes=120000-"]


def test_a_server_without_ranges_sends_everything_again(
    tmp_path: Path, server: WeightServer
) -> None:
    store = sam(tmp_path, server)
    server.ranges = False
    server.cut = [100_000]
    assert fetch(store, "sam", transfer=QUICK).ready
    assert part(store).with_suffix("").read_bytes() == BODY


def test_a_piece_of_something_else_is_thrown_away_and_all_is_fetched(
    tmp_path: Path, server: WeightServer
) -> None:
    store = sam(tmp_path, server)
    part(store).parent.mkdir(parents=True)
    part(store).write_bytes(b"x" * 120_000)
    assert fetch(store, "sam", transfer=QUICK).ready
    assert [span for _, span in server.asked] == ["bytes=120000-", ""]


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path: Path, server: WeightServer) -> None:
    store = sam(tmp_path, server)
    part(store).parent.mkdir(parents=True)
    part(store).write_bytes(BODY + b"more")
    assert fetch(store, "sam", transfer=QUICK).ready


def test_wrong_content_never_gets_a_name(tmp_path: Path, server: WeightServer) -> None:
    store = sam(tmp_path, server)
    server.files["/sam.pt"] = b"!" + BODY[1:]
    with pytest.raises(EngineUnavailableError, match=sha256(BODY)):
        fetch(store, "sam", transfer=QUICK)
    assert list((tmp_path / "store" / "sam").iterdir()) == []


def test_a_page_instead_of_the_file_is_refused_by_its_size(
    tmp_path: Path, server: WeightServer
) -> None:
    store = sam(tmp_path, server)
    server.files["/sam.pt"] = b"<html>please sign in</html>"
    with pytest.raises(EngineUnavailableError, match="has 27 bytes instead of 300,000"):
        fetch(store, "sam", transfer=QUICK)


def test_the_next_address_is_asked_when_one_fails(tmp_path: Path, server: WeightServer) -> None:
    server.files["/good/sam.pt"] = BODY
    server.files["/sam.pt"] = b"!" + BODY[1:]
    store = sam(tmp_path, server, more=[f"{server.url}nothing/", f"{server.url}good/"])
    assert fetch(store, "sam", transfer=QUICK).ready
    assert [path for path, _ in server.asked] == ["/sam.pt", "/nothing/sam.pt", "/good/sam.pt"]


def test_a_missing_file_is_not_asked_for_again(tmp_path: Path, server: WeightServer) -> None:
    server.files.clear()
    with pytest.raises(ServerUnreachableError, match="404"):
        fetch(sam(tmp_path, server), "sam", transfer=QUICK)
    assert len(server.asked) == 1


def test_a_server_that_stumbles_is_asked_again(tmp_path: Path, server: WeightServer) -> None:
    server.codes = [503]
    assert fetch(sam(tmp_path, server), "sam", transfer=QUICK).ready


def test_a_server_that_falls_silent_is_given_up_and_resumed(
    tmp_path: Path, server: WeightServer
) -> None:
    server.slow = [1.5]
    assert fetch(sam(tmp_path, server), "sam", transfer=QUICK).ready
    assert server.asked[1][1].startswith("bytes=")


def test_no_server_at_all_is_a_network_error_that_names_the_address(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    store = store_of(tmp_path, [url], checkpoint("sam", {"sam.pt": (sha256(BODY), len(BODY))}))
    with pytest.raises(ServerUnreachableError, match=url) as info:
        fetch(store, "sam", transfer=QUICK)
    assert "goes on where it stopped" in info.value.hint


def test_a_redirect_is_followed(tmp_path: Path, server: WeightServer) -> None:
    server.redirects["/sam.pt"] = f"{server.url}elsewhere/sam.pt"
    server.files["/elsewhere/sam.pt"] = BODY
    assert fetch(sam(tmp_path, server), "sam", transfer=QUICK).ready


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/sam.pt"])
def test_a_redirect_to_another_scheme_is_refused(
    tmp_path: Path, server: WeightServer, target: str
) -> None:
    server.redirects["/sam.pt"] = target
    with pytest.raises(ServerUnreachableError, match=r"redirects to|302"):
        fetch(sam(tmp_path, server), "sam", transfer=QUICK)


def test_a_mirror_is_asked_first_and_must_give_the_same_bytes(
    tmp_path: Path, server: WeightServer
) -> None:
    server.files["/mirror/sam/sam.pt"] = b"!" + BODY[1:]
    store = sam(tmp_path, server)
    assert fetch(store, "sam", transfer=QUICK, mirrors=(f"{server.url}mirror",)).ready
    assert [path for path, _ in server.asked] == ["/mirror/sam/sam.pt", "/sam.pt"]


def test_a_plain_http_mirror_is_refused_for_a_file_whose_hash_nobody_knows(tmp_path: Path) -> None:
    store = store_of(tmp_path, ["https://example.org/"], checkpoint("new", {"new.pt": ("", 0)}))
    with pytest.raises(EngineUnavailableError, match="mirrors speak https"):
        fetch(store, "new", transfer=QUICK, mirrors=("http://mirror.example.org/",))


def test_a_file_without_a_known_hash_is_pinned_by_its_first_copy(
    tmp_path: Path, server: WeightServer
) -> None:
    torch.save({"w": torch.zeros(3)}, tmp_path / "first.pt")
    server.files["/new.pt"] = (tmp_path / "first.pt").read_bytes()
    store = store_of(tmp_path, [server.url], checkpoint("new", {"new.pt": ("", 0)}))
    status = fetch(store, "new", transfer=QUICK)
    pin = read_pins(store.folders)["new/new.pt"]
    assert status.ready
    assert pin.sha256 == status.sha256 == sha256(server.files["/new.pt"])
    assert pin.origin == f"{server.url}new.pt"
    assert status.path is not None
    status.path.unlink()
    server.files["/new.pt"] += b"changed"
    with pytest.raises(EngineUnavailableError, match=pin.sha256):
        fetch(store, "new", transfer=QUICK)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (print, ("code ran",))


def test_a_pickle_with_code_in_it_is_never_kept_nor_pinned(
    tmp_path: Path, server: WeightServer, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"w": Evil()}, tmp_path / "evil.pt")
    server.files["/new.pt"] = (tmp_path / "evil.pt").read_bytes()
    store = store_of(tmp_path, [server.url], checkpoint("new", {"new.pt": ("", 0)}))
    with pytest.raises(EngineUnavailableError, match="could run code"):
        fetch(store, "new", transfer=QUICK)
    assert list((tmp_path / "store" / "new").iterdir()) == []
    assert read_pins(store.folders) == {}
    assert "code ran" not in capsys.readouterr().out


def test_an_old_piece_of_a_file_without_a_known_hash_is_not_built_upon(
    tmp_path: Path, server: WeightServer
) -> None:
    torch.save({"w": torch.zeros(3)}, tmp_path / "first.pt")
    server.files["/new.pt"] = (tmp_path / "first.pt").read_bytes()
    store = store_of(tmp_path, [server.url], checkpoint("new", {"new.pt": ("", 0)}))
    part(store, "new", "new.pt").parent.mkdir(parents=True)
    part(store, "new", "new.pt").write_bytes(b"from another day")
    assert fetch(store, "new", transfer=QUICK).ready


def test_a_licence_that_is_not_allowed_is_refused_before_anything_is_asked(
    tmp_path: Path, server: WeightServer
) -> None:
    store = sam(tmp_path, server, licence="CC-BY-NC-SA-4.0", commercial=False)
    with pytest.raises(EngineUnavailableError, match="does not allow commercial use") as info:
        fetch(store, "sam", transfer=QUICK)
    assert "AIROTO_LICENSES=CC-BY-NC-SA-4.0" in info.value.hint
    assert server.asked == []


def test_a_wrong_file_in_the_way_is_left_alone_and_named(
    tmp_path: Path, server: WeightServer
) -> None:
    store = sam(tmp_path, server)
    target = tmp_path / "store" / "sam" / "sam.pt"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    with pytest.raises(EngineUnavailableError, match="is in the way"):
        fetch(store, "sam", transfer=QUICK)
    assert target.read_bytes() == b"mine"


def test_a_download_that_does_not_fit_the_disk_is_refused_before_it_begins(
    tmp_path: Path, server: WeightServer
) -> None:
    files = {"sam.pt": (sha256(BODY), 1 << 60)}
    store = store_of(tmp_path, [server.url], checkpoint("sam", files))
    server.files["/sam.pt"] = b""
    with pytest.raises(OutOfSpaceError, match="bytes free, the download needs"):
        fetch(store, "sam", transfer=QUICK)
    assert list((tmp_path / "store" / "sam").iterdir()) == []


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, server: WeightServer) -> None:
    """In a process that may not write files of more than 100 kB."""
    sam(tmp_path, server)
    code = f"""
import resource
from pathlib import Path
from airoto.errors import OutputError
from airoto_server.weights.fetch import fetch
from airoto_server.weights.manifest import read_manifest
from airoto_server.weights.store import WeightStore
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))
folder = Path({str(tmp_path)!r})
store = WeightStore((folder / "store",), read_manifest(folder / "manifest.toml"))
try:
    fetch(store, "sam")
except OutputError as exc:
    print("OutputError", exc.message)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("OutputError"), done.stderr
    assert "cannot be written" in done.stdout
    assert list((tmp_path / "store" / "sam").iterdir()) == []


def test_no_folder_that_can_be_written_is_an_output_error(
    tmp_path: Path, server: WeightServer
) -> None:
    (tmp_path / "store").write_text("a file in the way")
    with pytest.raises(OutputError, match="no folder for weights can be written"):
        fetch(sam(tmp_path, server), "sam", transfer=QUICK)


def test_two_processes_do_not_fetch_into_one_folder(tmp_path: Path, server: WeightServer) -> None:
    import fcntl

    store = sam(tmp_path, server)
    lock = tmp_path / "store" / "sam" / ".fetching"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another process"):
            fetch(store, "sam", transfer=QUICK)
    assert fetch(store, "sam", transfer=QUICK).ready


def test_all_files_of_a_form_are_fetched(tmp_path: Path, server: WeightServer) -> None:
    server.files |= {"/config.json": b"{}", "/vocab.txt": b"a\nb\n"}
    files = {
        "sam.pt": (sha256(BODY), len(BODY)),
        "config.json": (sha256(b"{}"), 2),
        "vocab.txt": (sha256(b"a\nb\n"), 4),
    }
    store = store_of(tmp_path, [server.url], checkpoint("dino", files, entry="."))
    status = fetch(store, "dino", transfer=QUICK)
    assert status.path == tmp_path / "store" / "dino"
    assert status.sha256 == sha256(BODY)
    (status.path / "vocab.txt").unlink()
    assert store.status("dino").state is State.INCOMPLETE
    fetch(store, "dino", transfer=QUICK)
    assert [path for path, _ in server.asked].count("/sam.pt") == 1
