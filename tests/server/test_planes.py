"""Raw planes between client and server: through shared memory, else in chunks, and said."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from airoto.errors import BadRequestError, HandleUnknownError, ServerUnreachableError
from airoto.ring_layout import MEMORY_NAME
from airoto_client import ring_store
from airoto_client.bridge_link import BridgeLink
from airoto_client.grpc_link import GrpcLink
from airoto_client.planes import Planes

from .conftest import RunningServer, StartServer
from .rendering import channels, small_disk
from .serving import served

SEALS = pytest.mark.skipif(not ring_store.can_seal(), reason="no sealed memory on this system")
PLANE = {"width": 64, "height": 36, "channels": 3, "pixel_type": "PIXEL_TYPE_HALF", "x": -4}
PIXELS = np.random.default_rng(0).random((36, 64, 3)).astype(np.float16)


def there_and_back(planes: Planes, way: str) -> str:
    """Send the pixels, fetch them, and say why they did not go through the ring."""
    sent = planes.send(PIXELS.data, PLANE)
    with planes.fetch(sent.handle) as back:
        assert (sent.way, back.way) == (way, way), sent.reason or back.reason
        assert bytes(back.view) == PIXELS.tobytes()
        assert back.plane["x"] == -4
        assert back.view.readonly
    return sent.reason


def ring_files(link: GrpcLink) -> list[Path]:
    return list(Path(link.call("GetServerInfo", {})["ring_folder"]).iterdir())


def mapped_by(server: RunningServer) -> int:
    """How many rings of sealed memory the server maps."""
    return Path(f"/proc/{server.pid}/maps").read_text().count(f"/memfd:{MEMORY_NAME} ")


@pytest.fixture(params=["file", pytest.param("sealed", marks=SEALS)])
def sealed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether rings are sealed memory, or files as on other systems."""
    if request.param == "file":
        monkeypatch.setattr(ring_store, "can_seal", lambda: False)
    return bool(request.param == "sealed")


def test_a_plane_goes_by_ring_over_either_link(server: RunningServer, sealed: bool) -> None:
    script = f"import sys; sys.path[:0] = {sys.path!r}; from airoto_client.cli import main; "
    command = [sys.executable, "-c", script + "sys.exit(main())", "bridge", "--server"]
    with BridgeLink([*command, server.local.target]) as bridge:
        for link in (server.link, bridge):
            with Planes(link) as planes:
                assert there_and_back(planes, "ring") == ""
                assert planes.unsealed == ("" if sealed else "this system has no sealed memory")
                assert (mapped_by(server), len(ring_files(server.link))) == (sealed, not sealed)
                with planes.place(PLANE) as place:
                    np.copyto(np.frombuffer(place.view, np.float16).reshape(PIXELS.shape), 0.5)
                    sent = place.send()
                with planes.fetch(sent.handle, release=False) as back:
                    assert (np.frombuffer(back.view, np.float16) == 0.5).all()
                with planes.fetch(sent.handle, plane=back.plane, release=False) as again:
                    assert (np.frombuffer(again.view, np.float16) == 0.5).all()
                with pytest.raises(BadRequestError, match="is for 3 x 36 x 64 half"):
                    planes.fetch(sent.handle, plane={**PLANE, "width": 3, "channels": 64})
                planes.forget(sent.handle)
                planes.forget(sent.handle)
                with pytest.raises(HandleUnknownError):
                    planes.fetch(sent.handle)
    assert (mapped_by(server), ring_files(server.link)) == (0, [])


@SEALS
def test_a_server_that_does_not_see_our_process_gets_a_file(server: RunningServer) -> None:
    class Contained(GrpcLink):
        """As from a container, in which processes have other numbers."""

        def call(self, method, request, **options):  # type: ignore[no-untyped-def]
            if request.get("process"):
                request = {**request, "process": 2**22 + 1}
            return super().call(method, request, **options)

    with Contained(server.local.target) as link, Planes(link) as planes:
        assert planes.unsealed == ""
        there_and_back(planes, "ring")
        assert "cannot be opened from here: No such file" in planes.unsealed
        assert (mapped_by(server), len(ring_files(server.link))) == (0, 1)
    assert ring_files(server.link) == []


def test_what_arrived_is_digested_by_either_kind(server: RunningServer) -> None:
    with Planes(server.link) as planes:
        sent = planes.send(PIXELS.data, PLANE)
        assert planes.digest(sent.handle) == hashlib.sha256(PIXELS.data).hexdigest()
        assert planes.digest(sent.handle, "blake3") == blake3(PIXELS.tobytes()).hexdigest()
        with pytest.raises(BadRequestError, match="digest_kind: 7; allowed"):
            server.link.call("PutPlane", {"handle": sent.handle, "digest": True, "digest_kind": 7})


def test_data_of_another_size_is_refused_here(server: RunningServer) -> None:
    with Planes(server.link) as planes:
        with pytest.raises(BadRequestError, match="10 bytes of pixels; a plane of 64 x 36 x 3"):
            planes.send(bytes(10), PLANE)
        with pytest.raises(BadRequestError, match="a plane needs width"):
            planes.send(bytes(10), {"width": 5})


def test_a_picture_from_the_ring_is_segmented_and_matted_as_from_chunks(
    server: RunningServer,
) -> None:
    recipe = {
        "version": 1,
        "plate": {
            "path": "rendered.####.exr",
            "frames": {"first": 1, "last": 1},
            "format": {"width": 64, "height": 36},
            "colour": {"space": "ACEScg"},
        },
        "objects": [
            {"id": 1, "name": "hero", "prompts": [{"frame": 1, "points": [{"x": 30, "y": 18}]}]}
        ],
        "segment": {"engine": "classic"},
        "matte": {"engine": "null"},
    }
    plane = {**PLANE, "x": 0}
    found = []
    for size in (1 << 25, 0):
        with Planes(server.link, ring_bytes=size) as planes:
            sent = planes.send(PIXELS.data, plane)
            assert sent.way == ("ring" if size else "stream")
            request = {
                "recipe": recipe,
                "frame": 1,
                "uploads": [{"frame": 1, "handle": sent.handle}],
            }
            answer = server.link.call("Segment", request)
            handle = answer["objects"][0]["candidates"][0]["mask_handle"]
            made = server.link.call("Matte", {**request, "mask_handle": handle})
            with planes.fetch(made["alpha_handle"]) as alpha:
                assert alpha.way == sent.way
                found.append((alpha.plane, bytes(alpha.view)))
    assert found[0] == found[1]
    assert found[0][0]["channels"] == 1


def test_a_render_takes_pictures_and_gives_mattes_by_ring(
    server: RunningServer, tmp_path: Path
) -> None:
    recipe = {
        "version": 1,
        "plate": {
            "path": "rendered.####.exr",
            "frames": {"first": 1, "last": 2},
            "format": {"width": 64, "height": 36},
            "colour": {"space": "ACEScg"},
        },
        "objects": [
            {"id": 1, "name": "hero", "prompts": [{"frame": 1, "points": [{"x": 20, "y": 18}]}]},
            {"id": 2, "name": "prop", "prompts": [{"frame": 1, "points": [{"x": 50, "y": 9}]}]},
        ],
        "segment": {"engine": "null"},
        "track": {"engine": "null"},
        "matte": {"engine": "null"},
        "output": {"path": str(tmp_path / "m.####.exr")},
    }
    with Planes(server.link) as planes:
        uploads = []
        for frame in (1, 2):
            sent = planes.send((PIXELS / frame).data, {**PLANE, "x": 0})
            uploads.append({"frame": frame, "handle": sent.handle})
        request = {"recipe": recipe, "uploads": uploads, "delivery": "DELIVERY_HANDLES"}
        handles = [
            event["frame"]["handle"]
            for event in server.link.stream("Render", request)
            if "frame" in event
        ]
        assert len(handles) == 2
        for number, handle in enumerate(handles):
            file = tmp_path / f"{number}.exr"
            server.link.download(handle, file, release=False)
            expected = channels(file)
            for name, channel in (("", "A"), ("hero", "matte_hero.A"), ("prop", "matte_prop.A")):
                with planes.read_matte(handle, name) as alpha:
                    assert alpha.way == "ring"
                    found = np.frombuffer(alpha.view, np.float16).reshape(36, 64)
                    assert found.max() == 1
                    np.testing.assert_array_equal(found, expected[channel])
        with pytest.raises(BadRequestError, match="has no object 'car'; it has hero, prop"):
            planes.read_matte(handles[0], "car")
        with pytest.raises(HandleUnknownError, match="is a raw plane, not a file"):
            planes.read_matte(uploads[0]["handle"])


def test_no_room_in_the_ring_means_chunks_and_is_said(server: RunningServer) -> None:
    with Planes(server.link, ring_bytes=16 * 1024) as planes:
        assert "ring of 16384 bytes has no room for 13824 bytes" in there_and_back(planes, "stream")
    with Planes(server.link, ring_bytes=48 * 1024) as planes:
        places = [planes.place(PLANE) for _ in range(3)]
        assert [place.send().way for place in places] == ["ring", "ring", "stream"]
        for place in places:
            place.__exit__(None, None, None)
        there_and_back(planes, "ring")


def test_no_space_for_a_ring_means_chunks_and_is_said(tmp_path: Path, sealed: bool) -> None:
    with (
        small_disk(tmp_path / "tiny", "256k") as tiny,
        served(ring_parent=tiny) as one,
        GrpcLink(one.target) as link,
        Planes(link) as planes,
    ):
        assert "No space left on device" in there_and_back(planes, "stream")
        assert ring_files(link) == []
    with served(ring_bytes=0) as one, GrpcLink(one.target) as link, Planes(link) as planes:
        assert there_and_back(planes, "stream") == "the server offers no shared memory"


def test_a_server_whose_folder_is_not_here_gets_chunks(server: RunningServer) -> None:
    class Elsewhere(GrpcLink):
        def call(self, method, request, **options):  # type: ignore[no-untyped-def]
            answer = super().call(method, request, **options)
            if method == "GetServerInfo":
                answer["ring_folder"] = "/not/on/this/machine"
            return answer

    with Elsewhere(server.local.target) as link, Planes(link) as planes:
        assert "/not/on/this/machine: No such file" in there_and_back(planes, "stream")


def test_a_ring_cut_short_under_the_server_does_not_end_it(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_store, "can_seal", lambda: False)
    with Planes(server.link) as planes:
        there_and_back(planes, "ring")
        place = planes.place(PLANE)
        (ring,) = ring_files(server.link)
        os.truncate(ring, 8192)
        with pytest.raises(BadRequestError, match="was cut short"):
            place.send()
    server.assert_alive()


def test_two_clients_at_once_do_not_meet(server: RunningServer, sealed: bool) -> None:
    failed: list[BaseException] = []

    def work(value: int) -> None:
        try:
            with GrpcLink(server.local.target) as link, Planes(link, ring_bytes=1 << 17) as planes:
                for _ in range(15):
                    pixels = np.full((36, 64, 3), value, np.float16)
                    with planes.fetch(planes.send(pixels.data, PLANE).handle) as back:
                        assert bytes(back.view) == pixels.tobytes()
        except BaseException as exc:  # noqa: BLE001 - for the test's own thread
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(value,)) for value in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (mapped_by(server), ring_files(server.link)) == (0, [])


_CLIENT = """
import sys, time
from airoto_client import ring_store
if sys.argv[2] == "False":
    ring_store.can_seal = lambda: False
from airoto_client.grpc_link import GrpcLink
from airoto_client.planes import Planes
planes = Planes(GrpcLink(sys.argv[1]))
plane = {"width": 4, "height": 4, "channels": 1, "pixel_type": "PIXEL_TYPE_FLOAT"}
print(planes.send(bytes(64), plane).way, flush=True)
time.sleep(100)
"""


def test_what_a_killed_client_left_goes_when_the_next_one_comes(
    server: RunningServer, sealed: bool
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", _CLIENT, server.local.target, str(sealed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "ring\n"
        left = ring_files(server.link)
        assert (mapped_by(server), len(left)) == (sealed, not sealed)
        client.send_signal(signal.SIGKILL)
    with Planes(server.link) as planes:
        there_and_back(planes, "ring")
        assert mapped_by(server) == sealed
        assert not set(left) & set(ring_files(server.link))


def test_a_killed_server_is_told_and_the_next_one_gets_a_ring_of_its_own(
    start_server: StartServer, tmp_path: Path
) -> None:
    first = start_server("--threads", 1)
    folder = Path(first.link.call("GetServerInfo", {})["ring_folder"])
    with Planes(first.link) as planes:
        there_and_back(planes, "ring")
        os.kill(first.pid, signal.SIGKILL)
        with pytest.raises(ServerUnreachableError):
            planes.send(PIXELS.data, PLANE)
        assert folder.exists()
    second = start_server("--threads", 1)
    assert not folder.exists()
    with Planes(second.link) as planes:
        there_and_back(planes, "ring")


def test_a_ring_that_the_server_forgot_is_made_again(server: RunningServer, sealed: bool) -> None:
    with Planes(server.link) as planes:
        there_and_back(planes, "ring")
        place = planes.place(PLANE)
        server.link.call("DetachRing", {"ring": place.ring})
        assert mapped_by(server) == 0
        sent = place.send()
        assert sent.way == "stream"
        assert "not attached" in sent.reason
        there_and_back(planes, "ring")
        assert (mapped_by(server), len(ring_files(server.link))) == (sealed, not sealed)
