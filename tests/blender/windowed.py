"""Runs inside a Blender that has windows: presses keys and buttons as an artist does.

Blender is started with `--enable-event-simulate`; what is to be tried is a generator whose
`yield` lets Blender handle events and draw.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import traceback

sys.path[:0] = os.environ["AIROTO_TEST_PATH"].split(os.pathsep)

import bpy  # noqa: E402 - after the path is known
import shots  # noqa: E402

import airoto_blender  # noqa: E402

_PAUSE = 0.05


def window():
    """The one that is open."""
    return bpy.context.window_manager.windows[0]


def lay_out():
    """Image Editor on the left, Movie Clip Editor on the right, in place of the 3D view."""
    area = next(one for one in window().screen.areas if one.type == "VIEW_3D")
    with bpy.context.temp_override(window=window(), area=area, region=area.regions[-1]):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    views = sorted(
        (one for one in window().screen.areas if one.type == "VIEW_3D"), key=lambda one: one.x
    )
    views[0].type, views[1].type = "IMAGE_EDITOR", "CLIP_EDITOR"
    views[0].ui_type = "IMAGE_EDITOR"
    return views


def screen_place(area, node, at):
    """Pixels of the window where a place on the plate is seen."""
    from airoto_blender import editors

    editor = editors.editor_in(area)
    x, y = editors.canvas_of(editor, node).to_region(*at)
    return int(editor.region.x + x), int(editor.region.y + y)


def event(kind, value="PRESS", **more):
    """One event, as if it came from mouse or keyboard."""
    window().event_simulate(type=kind, value=value, **more)


def click(x, y, **more):
    """Press and release."""
    event("MOUSEMOVE", "NOTHING", x=x, y=y)
    yield
    event("LEFTMOUSE", "PRESS", x=x, y=y, **more)
    yield
    event("LEFTMOUSE", "RELEASE", x=x, y=y, **more)
    yield


def drag(start, end, *, release=True):
    """From one place to another."""
    event("MOUSEMOVE", "NOTHING", x=start[0], y=start[1])
    yield
    event("LEFTMOUSE", "PRESS", x=start[0], y=start[1])
    yield
    for step in (0.3, 0.7, 1.0):
        x, y = (round(one + (two - one) * step) for one, two in zip(start, end))
        event("MOUSEMOVE", "NOTHING", x=x, y=y)
        yield
    if release:
        event("LEFTMOUSE", "RELEASE", x=end[0], y=end[1])
        yield


def key(kind, x, y, **more):
    """A key, with the mouse at a place."""
    event("MOUSEMOVE", "NOTHING", x=x, y=y)
    yield
    event(kind, "PRESS", x=x, y=y, **more)
    yield
    event(kind, "RELEASE", x=x, y=y, **more)
    yield


def until(happened, tries=60):
    """Wait until Blender has done it; a machine may be busy."""
    for _ in range(tries):
        if happened():
            return
        yield 0.1
    from airoto_blender import nodes

    told = [(one.progress, one.status) for one in nodes.ours()]
    raise AssertionError(f"it did not happen; the node says {told}")


def press(area, operator, region="UI", **values):
    """A button of the sidebar of an editor, pressed in that region."""
    where = next(one for one in area.regions if one.type == region)
    with bpy.context.temp_override(window=window(), area=area, region=where):
        return operator("INVOKE_DEFAULT", **values)


def picture(path):
    """What is on the screen, as X's server keeps it (XWD); Blender has drawn before."""
    shutil.copyfile(os.environ["AIROTO_TEST_SCREEN"], path)


def run(steps):
    """Do all steps, each after Blender has handled the one before, and end Blender."""

    def tick():
        try:
            pause = next(steps)
        except StopIteration:
            bpy.ops.wm.quit_blender()
            return None
        except BaseException:  # noqa: BLE001 - a timer of Blender swallows it, and goes on
            traceback.print_exc()
            sys.stdout.flush()
            os._exit(70)
        return _PAUSE if pause is None else pause

    bpy.context.preferences.view.show_splash = False
    airoto_blender.register()
    bpy.app.timers.register(tick, first_interval=0.3)


def arguments():
    """What the test said: folder, clip, server."""
    return shots.arguments()


if __name__ == "__main__":
    importlib.import_module(sys.argv[sys.argv.index("--") + 1])
