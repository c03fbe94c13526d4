"""A real Blender with windows, on a display that nobody sees.

Needs `Xvfb`, and a Blender of 4.5 or later with windows: `AIROTO_BLENDER` names it, else `blender`
of the path is taken. Its Python gets grpcio and protobuf from `AIROTO_BLENDER_PACKAGES`.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from in_blender import HERE, ROOT, facts_in

SECONDS = 120


def blender() -> tuple[str, str]:
    """The program, and why it cannot be used; one of them is empty."""
    program = os.environ.get("AIROTO_BLENDER") or shutil.which("blender") or ""
    if shutil.which("Xvfb") is None:
        return "", "there is no Xvfb"
    if not program:
        return "", "there is no Blender with windows (AIROTO_BLENDER)"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = said.stdout.split()
    if len(words) < 2 or tuple(int(one) for one in words[1].split(".")[:2]) < (4, 5):
        return "", f"{program} is no Blender of 4.5 or later"
    return program, ""


class Screen:
    """A display of X with its pixels in a file."""

    def __init__(self, folder: Path) -> None:
        read, write = os.pipe()
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp",
             "-fbdir", str(folder)],
            pass_fds=[write], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as file:
            self.name = f":{file.readline().strip()}"
        self.file = folder / "Xvfb_screen0"

    def stop(self) -> None:
        """Take the display away."""
        self._process.terminate()
        self._process.wait()


def picture(path: Path) -> np.ndarray:
    """A screen that X keeps as XWD: (height, width, 3), uint8, RGB."""
    data = path.read_bytes()
    head = struct.unpack(">25I", data[:100])
    size, width, height, row, colours = head[0], head[4], head[5], head[12], head[19]
    pixels = np.frombuffer(data, np.uint8, row * height, size + colours * 12)
    return pixels.reshape(height, row // 4, 4)[:, :width, 2::-1]


def run(folder: Path, clip: Path, server: str, script: str) -> tuple[str, dict]:
    """What a script of this folder said in a Blender with windows."""
    program, reason = blender()
    if reason:
        pytest.skip(reason)
    sources = ("proto", "nuke_plugin", "blender_plugin", "tests/blender")
    roots = [os.environ.get("AIROTO_BLENDER_PACKAGES", ""), *(str(ROOT / one) for one in sources)]
    screen = Screen(folder)
    try:
        done = subprocess.run(
            [program, "--factory-startup", "--enable-event-simulate", "--python-exit-code", "70",
             "--window-geometry", "0", "0", "1280", "800", "-P", str(HERE / "windowed.py"),
             "--", script, str(folder), str(clip), server],
            env={
                **{name: text for name, text in os.environ.items() if "AIROTO" not in name},
                "DISPLAY": screen.name,
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "AIROTO_TEST_PATH": os.pathsep.join(one for one in roots if one),
                "AIROTO_TEST_SCREEN": str(screen.file),
            },
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    finally:
        screen.stop()
    return done.stdout + done.stderr, facts_in(done.stdout)


@pytest.fixture(scope="module")
def clicked(tmp_path_factory, clip):
    """What came of an artist's clicks, and the folder with pictures of the screen."""
    folder = tmp_path_factory.mktemp("windows")
    said, facts = run(folder, clip, "unix:/nowhere/server.sock", "windows_clicking")
    assert facts.get("over"), said
    return folder, facts


# A click hits a pixel of the screen; the picture is seen at twice its size, or half as wide again.
NEAR = 0.51


def test_clicks_and_a_drag_in_the_image_editor_are_where_they_were_made(clicked):
    _, facts = clicked
    assert facts["shown"], "the plate is put into the editor"
    assert facts["user_frame"] == 1002
    (x, y, positive), (other_x, other_y, other_positive) = facts["image"]["points"]
    assert (x, y) == pytest.approx((70.25, 40.25), abs=NEAR)
    assert (other_x, other_y) == pytest.approx((40, 64), abs=NEAR)
    assert (positive, other_positive) == (True, False)
    assert facts["image"]["box"] == pytest.approx([30, 30, 76, 80], abs=NEAR)


def test_undo_takes_one_step_and_escape_first_the_drag_then_everything(clicked):
    _, facts = clicked
    assert facts["undone"]["box"] is None
    assert len(facts["undone"]["points"]) == 2
    assert facts["drag_given_up"] == facts["undone"]
    assert facts["taken_back"]


def test_a_click_on_the_sidebar_is_not_a_prompt(clicked):
    assert clicked[1]["sidebar_took_it"]


def test_the_clip_editor_has_its_own_frames_and_wide_pixels(clicked):
    _, facts = clicked
    _, point = facts["clip"]["points"]  # the first one was there
    assert point[:2] == pytest.approx([50, 90], abs=1.01)
    assert facts["clip"]["box"] == pytest.approx([40, 20, 150, 70], abs=1.01)
    assert facts["kept"] == facts["clip"], "Enter keeps them"
    assert "stabilised" in facts["stabilised"]


def test_prompts_are_drawn_over_both_editors(clicked):
    folder, _ = clicked
    blue = np.array([0x3C, 0xB4, 0xFF])  # the second object's colour
    for name in ("image.xwd", "clip.xwd"):
        seen = picture(folder / name).astype(int)
        assert (np.abs(seen - blue).max(axis=-1) < 8).sum() > 100, name


@pytest.fixture(scope="module")
def worked(tmp_path_factory, clip, server):
    """What came of Segment and Track with a real server."""
    folder = tmp_path_factory.mktemp("working")
    said, facts = run(folder, clip, server, "windows_working")
    assert facts.get("over"), said
    return folder, facts


def test_candidates_are_shown_chosen_and_outdated_by_another_click(worked):
    folder, facts = worked
    assert facts["scores"].startswith("object1 1: ")
    assert 0.001 < facts["area"] < 0.9
    assert facts["chosen"] == 2
    assert facts["outdated"]
    orange = np.array([0xFF, 0x9A, 0x3C])
    seen = picture(folder / "candidate.xwd").astype(int)
    assert (np.abs(seen - orange).max(axis=-1) < 8).sum() > 30, "the point is drawn"


def test_blender_goes_on_while_the_server_works_and_tells_how_far_it_is(worked):
    _, facts = worked
    assert facts["free"] > 2
    assert facts["free_while_tracking"] > 5
    assert any("frames" in one for one in facts["said"]), facts["said"]
    assert facts["status"] == "current: 4 frames, 1001-1004"
    assert facts["progress"] == ""


def test_cancel_frees_the_node_at_once_and_an_absent_server_is_named(worked):
    _, facts = worked
    assert facts["cancels"]
    assert facts["cancelled"].startswith("cancelled")
    assert "/nowhere/server.sock" in facts["failed"]


def test_a_render_can_be_clicked_in_for_a_node_without_a_plate_of_its_own(tmp_path, clip):
    said, facts = run(tmp_path, clip, "unix:/nowhere/server.sock", "windows_rendered")
    assert facts.get("over"), said
    assert facts["frame"] == 1
    assert facts["point"] == pytest.approx([160, 90], abs=1.01)
