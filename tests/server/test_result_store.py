"""Results on disk by key: whole or not at all, bounded, damage noticed, shared by processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto_server.ops.sizes import parse_size
from airoto_server.storage.cli import main
from airoto_server.storage.place import DEFAULT_LIMIT, cache_place
from airoto_server.storage.store import DamagedEntryError, ResultStore, StoreFailedError
from airoto_server.storage.upkeep import TEMPORARY, entries, prune, usage

KEYS = [f"{number:064x}" for number in range(100)]
A, B = KEYS[:2]


class Clock:
    """Time that only a test moves."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ResultStore:
    return ResultStore(tmp_path / "cache", 1 << 20, clock=clock)


def path_of(store: ResultStore, key: str, stage: str = "matte") -> Path:
    return store.folder / stage / key[:2] / key


def test_what_is_put_is_got_by_any_store_on_the_folder(store: ResultStore) -> None:
    assert store.get("matte", A) is None
    store.put("matte", A, b"alpha")
    store.put("track", A, b"mask")
    other = ResultStore(store.folder, 1 << 20)
    assert (other.get("matte", A), other.get("track", A)) == (b"alpha", b"mask")
    assert other.get("matte", B) is None
    stats = other.stats()
    assert (stats.hits, stats.misses, stats.limit_bytes) == (2, 1, 1 << 20)


@given(content=st.binary(max_size=300), data=st.data())
def test_any_change_of_an_entry_is_noticed_and_heals(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    store = ResultStore(tmp_path_factory.mktemp("cache"), 1 << 20)
    store.put("matte", A, content)
    path = path_of(store, A)
    whole = path.read_bytes()
    kind = data.draw(st.sampled_from(["flip", "cut", "grow"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = {
        "flip": whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :],
        "cut": whole[:at],
        "grow": whole + b"\0",
    }[kind]
    path.write_bytes(damaged)
    with pytest.raises(DamagedEntryError):
        store.get("matte", A)
    assert not path.exists()
    assert store.get("matte", A) is None
    store.put("matte", A, content)
    assert store.get("matte", A) == content


def test_the_least_recently_used_go_first_and_the_limit_holds(tmp_path: Path, clock: Clock) -> None:
    store = ResultStore(tmp_path / "cache", 64 * 4096, clock=clock)
    for key in KEYS[:60]:
        store.put("track", key, b"x")
        clock.now += 100
    assert store.get("track", KEYS[0]) == b"x"  # used again: now the youngest
    for key in KEYS[60:]:
        clock.now += 100
        store.put("track", key, b"x")
    left = {entry.path.name for entry in entries(store.folder)}
    assert usage(store.folder).bytes <= 64 * 4096 * 17 // 16
    assert KEYS[0] in left
    assert KEYS[1] not in left
    assert KEYS[-1] in left


def test_an_entry_larger_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "cache", 4096)
    store.put("matte", A, bytes(5000))
    assert store.get("matte", A) is None


def test_folder_and_entries_are_their_owners_alone_unless_the_folder_is_open(
    tmp_path: Path,
) -> None:
    old = os.umask(0o077)
    try:
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o770)
        modes = {}
        for name in ("own", "open"):
            store = ResultStore(tmp_path / name, 1 << 20)
            store.put("matte", A, b"")
            path = path_of(store, A)
            modes[name] = [
                stat.S_IMODE(one.stat().st_mode) for one in (store.folder, path.parent, path)
            ]
    finally:
        os.umask(old)
    assert modes == {"own": [0o700, 0o700, 0o600], "open": [0o770, 0o770, 0o660]}


def test_a_folder_that_cannot_be_written_says_why(store: ResultStore) -> None:
    store.folder.joinpath("matte").write_text("a file in the way")
    with pytest.raises(StoreFailedError, match="matte"):
        store.put("matte", A, b"alpha")


def _hammer(folder: str, seed: int) -> int:
    """Write, read and prune one folder; how many reads gave something."""
    store = ResultStore(Path(folder), 40 * 4096)
    got = 0
    for step in range(300):
        key = KEYS[(step * (7 + seed)) % 60]
        found = store.get("matte", key)
        if found is None:
            store.put("matte", key, key.encode() * 20)
        else:
            assert found == key.encode() * 20
            got += 1
    return got


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    ResultStore(folder, 1)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        got = pool.starmap(_hammer, [(str(folder), seed) for seed in range(3)])
    assert sum(got) > 0
    assert usage(folder).bytes <= 40 * 4096 * (1 + 3 / 16)
    assert not list(folder.rglob(f"{TEMPORARY}*"))


def test_pruning_removes_what_killed_servers_left_and_nothing_strange(
    store: ResultStore, clock: Clock
) -> None:
    store.put("matte", A, b"alpha")
    left = path_of(store, A).with_name(f"{TEMPORARY}0123")
    left.write_bytes(b"half")
    os.utime(left, (clock.now, clock.now))
    strange = store.folder / "matte" / "00" / "notes.txt"
    strange.write_text("mine")
    prune(store.folder, 1 << 20, now=clock.now)
    assert left.exists(), "another server may be writing it"
    prune(store.folder, 0, now=clock.now + 7200)
    assert not left.exists()
    assert strange.exists()
    assert usage(store.folder).entries == 0


# ---- options and command line --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4096", 4096), ("20G", 20 << 30), ("1.5 MiB", 3 << 19)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "ten", "1e3", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="no size"):
        parse_size(text)


def test_options_go_before_the_environment_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIROTO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = cache_place()
    assert (place.folder, place.max_bytes) == (tmp_path / "airoto/results", DEFAULT_LIMIT)
    monkeypatch.setenv("AIROTO_CACHE", str(tmp_path / "shared"))
    monkeypatch.setenv("AIROTO_CACHE_LIMIT", "5G")
    assert cache_place().folder == tmp_path / "shared"
    assert cache_place(limit="1G").max_bytes == 1 << 30
    assert cache_place("off").folder is None
    assert cache_place(limit="0").folder is None


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, object]]:
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_line_tells_clears_and_prunes(
    store: ResultStore, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put("matte", A, b"old")
    clock.now = 4e9  # long from now
    for key in KEYS[1:6]:
        store.put("track", key, b"x")
    where = ("--folder", store.folder)
    code, told = run(capsys, "info", *where)
    assert code == 0
    assert told["entries"] == 6
    assert told["stages"] == {
        "matte": {"entries": 1, "bytes": 4096},
        "track": {"entries": 5, "bytes": 5 * 4096},
    }
    path_of(store, B, "track").write_bytes(b"damaged")
    code, told = run(capsys, "prune", *where, "--check", "--older-than", "1d")
    assert (code, told["removed"], told["damaged"], told["entries"]) == (0, 2, 1, 4)
    code, told = run(capsys, "prune", *where, "--limit", str(3 * 4096))
    assert told["entries"] == 2
    code, told = run(capsys, "clear", *where)
    assert (code, told["removed"], told["entries"]) == (0, 2, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "--folder", "off"),
        ("prune", "--older-than", "soon"),
        ("info", "--limit", "much"),
        ("shrink",),
    ],
)
def test_wrong_arguments_end_with_2(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIROTO_CACHE", str(tmp_path))
    assert main(arguments) == 2
