"""What every link promises, held against both over a real server in its own process."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airoto.errors import (
    AIRotoError,
    BadRequestError,
    FrameMissingError,
    HandleUnknownError,
    InternalError,
    OutputError,
    ServerUnreachableError,
    TimedOutError,
    all_kinds,
)
from airoto_client.bridge_link import BridgeLink
from airoto_client.grpc_link import GrpcLink
from airoto_client.link import Link

OpenLink = Callable[[str], Link]


@pytest.fixture(params=["grpc", "bridge"])
def open_link(request: pytest.FixtureRequest, bridge_command: list[str]) -> Iterator[OpenLink]:
    """Open a link of either kind to a target."""
    links: list[Link] = []

    def connect(target: str) -> Link:
        if request.param == "grpc":
            link: Link = GrpcLink(target)
        else:
            link = BridgeLink([*bridge_command, target])
        links.append(link)
        return link

    yield connect
    for link in links:
        link.close()


@pytest.fixture
def link(open_link: OpenLink, toy) -> Link:
    """A link to a toy server."""
    return open_link(toy.target)


def render_request(folder: Path, name: str = "", last: int = 1003) -> dict[str, object]:
    recipe = {
        "version": 1,
        "name": name,
        "plate": {"frames": {"first": 1001, "last": last}},
        "output": {"path": str(folder / "m.%04d.exr")},
    }
    return {"recipe": recipe}


def test_a_call_answers_with_the_fields_of_the_proto(link: Link) -> None:
    info = link.call("GetServerInfo", {})
    assert info["version"] == "0.0.toy"
    assert info["engines"][0]["is_default"] is True
    assert info["engines"][0]["role"] == "ENGINE_ROLE_SEGMENTER"
    assert info["devices"][0]["memory_bytes"] == str(2**40)


def test_a_stream_gives_every_message_in_order(link: Link, tmp_path: Path) -> None:
    answers = list(link.stream("Render", render_request(tmp_path)))
    kinds = [next(iter(answer)) for answer in answers]
    assert kinds == ["plan", "warning", *["frame", "progress"] * 3, "summary"]
    assert [a["frame"]["frame"] for a in answers if "frame" in a] == [1001, 1002, 1003]


def test_a_stream_does_not_begin_before_it_is_read(link: Link, toy, tmp_path: Path) -> None:
    answers = link.stream("Render", render_request(tmp_path))
    link.call("GetServerInfo", {})
    assert toy.journal() == []
    next(answers)
    answers.close()


def test_closing_a_stream_cancels_the_work(link: Link, toy, tmp_path: Path) -> None:
    answers = link.stream("Render", render_request(tmp_path, "slow", last=9999))
    for answer in answers:
        if "frame" in answer:
            break
    answers.close()
    assert toy.wait_for("render cancelled")
    written = len(list(tmp_path.glob("m.*.exr")))
    assert written < 20
    assert link.call("GetServerInfo", {})["version"] == "0.0.toy"


def test_calls_and_streams_run_at_the_same_time(link: Link, tmp_path: Path) -> None:
    streams = [
        link.stream("Render", render_request(tmp_path / str(i), "slow", last=1002))
        for i in range(3)
    ]
    for stream in streams:
        next(stream)
    results: list[object] = []
    threads = [
        threading.Thread(target=lambda: results.append(link.call("GetServerInfo", {})["pid"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 8
    for stream in streams:
        assert [a["frame"]["frame"] for a in stream if "frame" in a] == [1001, 1002]


def test_every_kind_of_error_arrives_whole(link: Link) -> None:
    for kind, cls in all_kinds().items():
        with pytest.raises(AIRotoError) as caught:
            link.call("Segment", {"recipe": {"name": f"fail:{kind}"}})
        error = caught.value
        assert type(error) is cls
        if kind == "cancelled":  # the link cannot tell it from a call of its own
            continue
        assert error.message == f"it is {kind}"
        assert error.hint == "as asked"
        assert str(error.violations[0]) == "plate.path: 'x'; allowed: y"
        assert error.frame == 7
        assert error.path == "/somewhere"
        assert error.retry_after == (3.0 if kind == "busy" else 0.0)


def test_a_stream_that_fails_raises(link: Link) -> None:
    with pytest.raises(AIRotoError, match="it is plate"):
        list(link.stream("Render", {"recipe": {"name": "fail:plate"}}))


def test_a_method_that_cannot_be_called_is_refused(link: Link) -> None:
    for method in ("Nope", "Render", "Upload", "__init__"):
        with pytest.raises(BadRequestError, match=method):
            link.call(method, {})


def test_a_method_that_cannot_be_streamed_is_refused(link: Link) -> None:
    with pytest.raises(BadRequestError, match="GetServerInfo"):
        list(link.stream("GetServerInfo", {}))


def test_a_request_with_a_wrong_field_is_refused_with_its_path(link: Link) -> None:
    with pytest.raises(BadRequestError) as caught:
        link.call("Segment", {"recipe": {"plate": {"pth": "x"}}})
    assert caught.value.violations[0].path == "recipe.plate.pth"


def test_a_call_ends_when_its_time_is_up(link: Link) -> None:
    with pytest.raises(TimedOutError):
        link.call("Segment", {"recipe": {"name": "hang"}}, timeout=0.5)
    assert link.call("GetServerInfo", {})["version"] == "0.0.toy"


def test_a_stream_ends_when_its_time_is_up(link: Link) -> None:
    with pytest.raises(TimedOutError):
        list(link.stream("Render", {"recipe": {"name": "hang"}}, timeout=0.5))


def test_a_file_comes_back_as_it_was_sent(link: Link, toy, tmp_path: Path) -> None:
    data = os.urandom(3_500_000)
    source = tmp_path / "frame.1001.exr"
    source.write_bytes(data)
    seen: list[tuple[int, int]] = []
    answer = link.upload_file(source, on_progress=lambda sent, total: seen.append((sent, total)))
    assert answer["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert answer["size"] == len(data)
    assert seen[-1] == (len(data), len(data))
    assert toy.journal() == ["upload frame.1001.exr 3500000"]
    target = tmp_path / "new" / "folder" / "back.exr"
    link.download(answer["handle"], target)
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]


def test_a_file_can_be_sent_under_another_name(link: Link, toy, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"data")
    link.upload_file(tmp_path / "x", "plate.png")
    assert toy.journal() == ["upload plate.png 4"]


def test_raw_pixels_can_be_sent(link: Link, tmp_path: Path) -> None:
    data = struct.pack("<12f", *range(12))
    plane = {"width": 2, "height": 2, "channels": 3, "pixel_type": "PIXEL_TYPE_FLOAT"}
    answer = link.upload_plane(data, plane)
    assert answer["size"] == 48
    link.download(answer["handle"], tmp_path / "raw")
    assert (tmp_path / "raw").read_bytes() == data


def test_raw_pixels_of_the_wrong_size_are_refused(link: Link) -> None:
    plane = {"width": 2, "height": 2, "channels": 3, "pixel_type": "PIXEL_TYPE_FLOAT"}
    with pytest.raises(BadRequestError, match="48"):
        link.upload_plane(b"1234", plane)


def test_a_file_that_is_not_there_cannot_be_sent(link: Link, tmp_path: Path) -> None:
    with pytest.raises(FrameMissingError) as caught:
        link.upload_file(tmp_path / "nope.exr")
    assert caught.value.path == str(tmp_path / "nope.exr")


def test_a_released_handle_is_gone(link: Link, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    handle = link.upload_file(tmp_path / "a")["handle"]
    link.download(handle, tmp_path / "b", release=False)
    link.download(handle, tmp_path / "c")
    with pytest.raises(HandleUnknownError):
        link.download(handle, tmp_path / "d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["cut.png", "wrong.png"])
def test_a_download_that_is_cut_or_damaged_leaves_the_old_file(
    link: Link, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"some data")
    handle = link.upload_file(tmp_path / name)["handle"]
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(InternalError, match="did not arrive whole"):
        link.download(handle, target)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "target"])


def test_an_unknown_encoding_is_refused(link: Link, tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="raw, exr, png"):
        link.download("handle-1", tmp_path / "x", encoding="gif")


def test_a_download_into_a_place_that_is_no_folder_is_an_output_error(
    link: Link, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"data")
    handle = link.upload_file(tmp_path / "a")["handle"]
    with pytest.raises(OutputError) as caught:
        link.download(handle, tmp_path / "a" / "b")
    assert caught.value.path == str(tmp_path / "a" / "b")


def test_no_server_is_told_within_seconds(open_link: OpenLink, tmp_path: Path) -> None:
    link = open_link("unix:/tmp/airoto-no-such-folder/s")
    with pytest.raises(ServerUnreachableError, match="airoto-no-such-folder"):
        link.call("GetServerInfo", {}, timeout=20)


def test_a_server_that_dies_ends_a_stream(link: Link, tmp_path: Path) -> None:
    frames: list[int] = []
    answers = link.stream("Render", render_request(tmp_path, "die:1003", last=1009))
    with pytest.raises(ServerUnreachableError):
        frames.extend(a["frame"]["frame"] for a in answers if "frame" in a)
    assert frames == [1001, 1002]


def test_a_stopped_server_process_is_noticed_by_the_deadline(link: Link, toy) -> None:
    link.call("GetServerInfo", {})
    toy.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(TimedOutError):
            link.call("GetServerInfo", {}, timeout=1)
    finally:
        toy.process.send_signal(signal.SIGCONT)


def test_a_closed_link_refuses_calls_and_can_be_closed_again(link: Link) -> None:
    link.close()
    link.close()
    with pytest.raises(ServerUnreachableError, match="closed"):
        link.call("GetServerInfo", {})
    with pytest.raises(ServerUnreachableError, match="closed"):
        next(link.stream("Render", {}))


def test_closing_a_link_ends_a_call_that_waits(link: Link) -> None:
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            link.call("Segment", {"recipe": {"name": "hang"}})
        except AIRotoError as exc:
            caught.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.5)
    link.close()
    thread.join(20)
    assert isinstance(caught[0], ServerUnreachableError)
