"""`kill -9` of the server at random moments: started again, the same recipe ends in the same bits.

`AIROTO_KILLS=100` kills so many times; without it, a few. `AIROTO_KILL_SEED` chooses other
moments.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import threading
import time
from pathlib import Path

from airoto.errors import AIRotoError
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import Message, digests, files_in, long_plate, merged, render, sample_recipe

KILLS = int(os.environ.get("AIROTO_KILLS", "2"))
SEED = int(os.environ.get("AIROTO_KILL_SEED", "0"))
FRAMES = 16


def finished(folder: Path) -> dict[str, tuple[int, int]]:
    """Files that are no half-written ones, with what tells whether they were written again."""
    found = {}
    for name in files_in(folder) if folder.is_dir() else []:
        if not Path(name).name.startswith(".airoto-"):
            stat = (folder / name).stat()
            found[name] = (stat.st_ino, stat.st_mtime_ns)
    return found


def try_to_render(server: RunningServer, recipe: Message) -> None:
    with contextlib.suppress(AIRotoError):
        render(server.link, recipe)


def test_final_bits_are_equal_whenever_the_server_was_killed(
    clip: SamplePaths, start_server: StartServer, tmp_path: Path
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    prompts = [
        {"frame": frame, "box": {"x_min": 60.0, "y_min": 20.0, "x_max": 130.0, "y_max": 95.0}}
        for frame in (1, 11)
    ]
    recipe = sample_recipe(
        clip,
        out / "a.####.exr",
        **merged(
            {
                "plate": long_plate(clip, tmp_path / "plate", FRAMES),
                "objects": [{"id": 1, "name": "hero", "prompts": prompts}],
                "output": {"foreground": True},
            },
            {"track": {"engine": "classic-grabcut"}, "processing": {"working_size": 96}},
        ),
    )
    server = start_server("--threads", 1, "--cache", cache)
    render(server.link, recipe)  # with everything imported, for the time it takes
    wanted = digests(out)
    assert len(wanted) == FRAMES
    for folder in (out, cache):
        shutil.rmtree(folder)
    cache.mkdir()
    began = time.monotonic()
    render(server.link, recipe)
    seconds = time.monotonic() - began
    assert digests(out) == wanted
    moments = random.Random(SEED)
    left_over = []
    for _ in range(KILLS):
        for folder in (out, cache):
            shutil.rmtree(folder)
        cache.mkdir()
        running = threading.Thread(target=try_to_render, args=(server, recipe))
        running.start()
        time.sleep(moments.uniform(0, seconds))
        server.local.kill()
        running.join(60)
        assert not running.is_alive()
        before = finished(out)
        left_over.append(len(before))
        server = start_server("--threads", moments.choice((1, 2)), "--cache", cache)
        outcome = render(server.link, recipe)
        assert set(outcome.kept) == {int(name.split(".")[1]) for name in before}
        after = finished(out)
        assert {name: after[name] for name in before} == before, "a finished frame was rewritten"
        assert {name: digests(out)[name] for name in after} == wanted
    print(f"{KILLS} kills; frames finished at each: {left_over}; {seconds:.2f} s uninterrupted")
    server.local.stop()
