"""What a render holds (threads, tracker memory, files) it lets go of, however it ends."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import numpy as np
import pytest

from airoto.errors import AIRotoError, CancelledError, FrameMismatchError, OutOfSpaceError
from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions import events
from airoto_server.sessions.render import render
from airoto_server.sessions.workshop import Settings, Workshop

from .conftest import StartServer
from .rendering import digests, drawn_recipe, files_in, long_plate, small_disk, write_image
from .rendering import render as render_over_the_wire


@pytest.mark.parametrize("how", ["a bad frame", "left", "cancelled"])
def test_a_render_that_ends_early_has_no_thread_and_no_file_left(
    clip: SamplePaths, tmp_path: Path, how: str
) -> None:
    plate = long_plate(clip, tmp_path / "plate", 8)
    if how == "a bad frame":
        bad = tmp_path / "plate/plate.0005.exr"
        bad.unlink()
        write_image(bad, np.zeros((4, 4, 3)))
    document = drawn_recipe(
        clip,
        tmp_path / "a.####.exr",
        plate=plate,
        track={"engine": "classic-grabcut", "direction": "DIRECTION_FORWARD"},
    )
    document["objects"][0]["prompts"][0]["frame"] = 1
    request = pb.RenderRequest(recipe=recipes.from_dict(document))
    cancel = Cancel()

    def emit(event: events.Event) -> None:
        if isinstance(event, events.FrameFinished) and event.frame == 2:
            if how == "left":
                raise CancelledError("the call ended")
            if how == "cancelled":
                cancel.set()

    settings = Settings(scratch=tmp_path / "scratch", threads=2)
    with contextlib.closing(Workshop(settings)) as workshop:
        before = set(threading.enumerate())
        with pytest.raises((FrameMismatchError, CancelledError)) as caught:
            render(workshop, request, cancel, emit)
        # The error is still held, and with it everything that hangs on its traceback.
        assert isinstance(caught.value, AIRotoError)
        # Threads of other tests in this process are none of ours.
        busy = [one.name for one in threading.enumerate() if one not in before]
        assert [name for name in busy if name.startswith("airoto-")] == []
        assert list(workshop.folder.glob("job-*")) == []
    assert files_in(tmp_path / "scratch") == []


def test_a_full_disk_under_the_servers_own_files_is_told_and_the_server_goes_on(
    clip: SamplePaths, start_server: StartServer, tmp_path: Path
) -> None:
    folder = tmp_path / "scratch"
    recipe = drawn_recipe(
        clip, tmp_path / "out/a.####.exr", keys=(clip.first, clip.last), track={"engine": "null"}
    )
    with small_disk(folder, "160k") as disk:
        server = start_server("--threads", 1, scratch=disk)
        (disk / "ballast").write_bytes(bytes(150 * 1024))
        with pytest.raises(OutOfSpaceError, match=r"no space left|cannot be kept"):
            render_over_the_wire(server.link, recipe)
        assert files_in(tmp_path / "out") == []
        assert server.jobs() == []
        server.assert_alive()
        server.local.stop()
    server = start_server("--threads", 1)
    assert len(render_over_the_wire(server.link, recipe).done) == 8
    assert len(digests(tmp_path / "out")) == 8
    server.local.stop()
