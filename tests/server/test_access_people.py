"""Several people on one server: own folders, handles and quotas, and a line in the audit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airoto.errors import (
    AIRotoError,
    BusyError,
    HandleUnknownError,
    PathForbiddenError,
    TooLargeError,
    UnauthenticatedError,
)
from airoto_client.grpc_link import GrpcLink
from airoto_server.access.people import Person
from airoto_server.app.sample import SamplePaths
from airoto_server.residency.quota import MemoryQuota
from airoto_server.scheduler.admission import Admission, Job
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.workshop import Settings, Workshop
from airoto_server.storage.place import CachePlace
from airoto_server.storage.share import ResultShare
from airoto_server.storage.store import ResultStore

from .rendering import drawn_recipe, render
from .studios import make_studio, serving

PEOPLE = """
[people.anna]
roots = ["{base}/anna"]
storage = "3M"
[people.bert]
roots = ["{base}/bert"]
[people.chief]
admin = true
"""


@dataclass(frozen=True)
class Shared:
    """One server and three people; `base` has a folder with a plate for each of two."""

    base: Path
    links: dict[str, GrpcLink]
    audit: Path

    def audited(self, who: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [line for line in lines if line["who"] == who]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, clip: SamplePaths) -> Iterator[Shared]:
    base = tmp_path_factory.mktemp("people").resolve()
    studio = make_studio(base)
    tokens = {"anna": studio.token}
    for name in ("bert", "chief", "stranger"):
        tokens[name], _ = studio.tokens.create(name, None)
    for name in ("anna", "bert"):
        (base / name).mkdir()
        for path in clip.acescg.parent.iterdir():
            (base / name / path.name).write_bytes(path.read_bytes())
        for path in clip.alphas[0].parent.iterdir():
            (base / name / path.name).write_bytes(path.read_bytes())
    people, audit = base / "people.toml", base / "audit.jsonl"
    people.write_text(PEOPLE.format(base=base))
    options = ["--tokens", str(studio.tokens.path), "--people", str(people)]
    options += ["--audit", str(audit), "--status-page", "0"]
    with serving(base, *studio.tls(), *options) as (port, _):
        links = {
            name: GrpcLink(f"localhost:{port}", studio.access(token))
            for name, token in tokens.items()
        }
        yield Shared(base, links, audit)
        for link in links.values():
            link.close()


def recipe_of(shared: Shared, clip: SamplePaths, name: str, out: str) -> dict[str, object]:
    recipe = drawn_recipe(clip, shared.base / out / "m.####.exr", track={"engine": "null"})
    folder = shared.base / name
    recipe["plate"]["path"] = str(folder / clip.acescg.name)
    mask = recipe["objects"][0]["prompts"][0]["mask"]
    mask["path"] = str(folder / Path(mask["path"]).name)
    return recipe


def test_each_reads_and_writes_their_own_folders(shared: Shared, clip: SamplePaths) -> None:
    anna, bert = shared.links["anna"], shared.links["bert"]
    mine = recipe_of(shared, clip, "anna", "anna/out")
    assert render(anna, mine, frames={"first": 1001, "last": 1001}).done == [1001]
    for method, request in (
        ("ProbePlate", {"plate": mine["plate"]}),
        ("Segment", {"recipe": mine, "frame": 1001}),
    ):
        with pytest.raises(PathForbiddenError) as caught:
            bert.call(method, request)
        assert str(shared.base / "bert") in caught.value.message
    seen = bert.call("ProvePath", {"path": str(shared.base / "anna/m.1001.exr"), "length": 8})
    assert not seen.get("visible")
    with pytest.raises(PathForbiddenError):
        render(bert, recipe_of(shared, clip, "bert", "anna/out"))
    assert anna.call("GetServerInfo", {})["roots"] == [str(shared.base / "anna")]


def test_somebody_with_a_token_who_is_not_in_the_file_stays_outside(shared: Shared) -> None:
    with pytest.raises(UnauthenticatedError):
        shared.links["stranger"].call("GetServerInfo", {})
    assert not shared.audited("stranger")


def test_a_handle_is_its_owners_alone(shared: Shared, tmp_path: Path) -> None:
    anna, bert = shared.links["anna"], shared.links["bert"]
    handle = anna.upload_plane(
        bytes(24), {"width": 4, "height": 3, "channels": 1, "pixel_type": "PIXEL_TYPE_HALF"}
    )["handle"]
    for link in (bert, shared.links["chief"]):
        with pytest.raises(HandleUnknownError):
            link.download(handle, tmp_path / "stolen")
    anna.download(handle, tmp_path / "own")
    assert (tmp_path / "own").read_bytes() == bytes(24)


def test_storage_is_a_share_that_is_judged_by_the_header(shared: Shared) -> None:
    anna, bert = shared.links["anna"], shared.links["bert"]
    plane = {"width": 1024, "height": 1024, "channels": 1, "pixel_type": "PIXEL_TYPE_HALF"}
    anna.upload_plane(bytes(2 << 20), plane)
    with pytest.raises(TooLargeError, match="of yours"):
        anna.upload_plane(bytes(2 << 20), plane)
    for _ in range(3):
        bert.upload_plane(bytes(2 << 20), plane)


def test_every_request_is_a_line_without_secrets(shared: Shared, clip: SamplePaths) -> None:
    chief = shared.links["chief"]
    with pytest.raises(AIRotoError):
        chief.call("ProbePlate", {"plate": {"path": "/nowhere/plate.####.exr"}})
    handle = chief.upload_plane(
        bytes(24), {"width": 4, "height": 3, "channels": 1, "pixel_type": "PIXEL_TYPE_HALF"}
    )["handle"]
    chief.call("GetServerInfo", {})
    lines = shared.audited("chief")
    told = [(line["method"], line["outcome"], line.get("what")) for line in lines]
    assert ("ProbePlate", "frame_missing", "/nowhere/plate.####.exr") in told
    assert ("Upload", "ok", None) in told
    assert told[-1] == ("GetServerInfo", "ok", None)
    assert all(line["time"] and line["request_id"] and line["from"] for line in lines)
    text = shared.audit.read_text()
    assert handle not in text
    assert "Bearer" not in text
    assert "airoto-start-" not in text


def test_only_an_admin_sees_what_others_render_and_the_page(
    shared: Shared, clip: SamplePaths
) -> None:
    mine = {**recipe_of(shared, clip, "anna", "anna/seen"), "name": "secret shot"}
    stream = shared.links["anna"].stream("Render", {"recipe": mine})
    assert "plan" in next(stream)
    seen = {name: shared.links[name].call("GetStatus", {}) for name in ("bert", "chief")}
    list(stream)
    assert "secret shot" not in json.dumps(seen["bert"])
    assert "anna" not in json.dumps(seen["bert"].get("jobs", []))
    assert "page_url" not in seen["bert"]
    assert seen["chief"]["page_url"].startswith("http://127.0.0.1:")


# ---- shares, one by one ----------------------------------------------------------------


def test_a_person_has_only_so_many_renders() -> None:
    admission = Admission(["cpu"], running=1, waiting=8)
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with admission.admitted(Job("a", client="anna", most=1), Cancel(), lambda place: None):
            entered.set()
            assert leave.wait(30)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(30)
    second = Job("b", client="anna", most=1)
    with pytest.raises(BusyError, match="of yours"), admission.admitted(second, Cancel(), print):
        pytest.fail("it was let in")
    with admission.admitted(Job("c", client="bert", most=1), Cancel(), lambda place: None):
        leave.set()
    thread.join(30)
    with admission.admitted(second, Cancel(), lambda place: None) as device:
        assert device == "cpu"


def test_memory_of_all_sessions_of_a_person_counts() -> None:
    quota = MemoryQuota(100)
    quota.hold("one", 60)
    with pytest.raises(TooLargeError, match="your renders hold"):
        quota.hold("two", 41)
    quota.hold("two", 0)
    quota.hold("one", 30)
    quota.hold("two", 70)
    MemoryQuota().hold("any", 1 << 60)


def test_what_somebody_wrote_first_goes_first_and_others_results_stay(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results", 1 << 20)
    share = ResultShare(store, 10)
    store.put("matte", "0" * 64, b"others")
    for digit in "123":
        share.put("matte", digit * 64, b"12345")
    share.put("matte", "4" * 64, b"too large for it")
    kept = [share.get("matte", digit * 64) for digit in "01234"]
    assert kept == [b"others", None, b"12345", b"12345", None]
    ResultShare(store, 0).put("matte", "5" * 64, b"x")
    assert store.get("matte", "5" * 64) is None


def test_a_persons_workshop_is_made_once_and_holds_their_shares(tmp_path: Path) -> None:
    settings = Settings(
        scratch=tmp_path, roots=(tmp_path,), cache=CachePlace(tmp_path / "c", 1 << 20, chosen=True)
    )
    workshop = Workshop(settings)
    try:
        anna = Person("anna", roots=(tmp_path / "a",), memory=5, cache=7)
        view = workshop.for_person(anna)
        assert workshop.for_person(anna) is view
        assert workshop.for_person(Person()) is workshop
        assert view.roots.folders == (tmp_path / "a",)
        assert workshop.roots.folders == (tmp_path,)
        assert isinstance(view.results, ResultShare)
        with pytest.raises(TooLargeError):
            view.quota.hold("s", 6)
        assert view.admission is workshop.admission
    finally:
        workshop.close()
