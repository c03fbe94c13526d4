"""The menu's entries of presets, from the compiled index; and the index kept fresh.

Read when Nuke starts, so it imports next to nothing and waits for nothing: the index is made
outside, by `airoto preset compile`, and what cannot be had is left out and said.
"""

from __future__ import annotations

import json
import os
from typing import Any

from airoto.presets.places import (
    INDEX_VARIABLE,
    PATH_VARIABLE,
    SHOW_VARIABLE,
    in_context,
    search_path,
    session_index,
)

# Seconds that compiling may take in the background.
_PATIENCE = 60.0


def entries() -> list[dict[str, str]]:
    """Menu entries for the session's show (all shows where it names none); empty for no index.

    Raises:
        OSError, ValueError: the index is there and cannot be read.
    """
    try:
        with open(session_index(), encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slower to import
            line = file.readline().rstrip()
        data = json.loads(f"{line[:-1]}}}" if line.endswith(",") else line)
    except FileNotFoundError:
        return []
    found: list[dict[str, str]] = data.get("menu", [])
    show = os.environ.get(SHOW_VARIABLE, "").strip()
    return [one for one in found if not show or one["group"] in (show, "studio")]


def fill(menu: Any, icons: str) -> None:
    """Add `AIRoto / SHOWX / AIRoto hair hero (SHOWX)` and so on."""
    from airoto_nuke import host

    try:
        _fill(menu, icons)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        host.log(f"AIRoto: the index of presets {session_index()} cannot be read: {exc!r}")


def _fill(menu: Any, icons: str) -> None:
    groups: dict[str, Any] = {}
    session = dict(os.environ)  # asking `os.environ` is slow, and there are many entries
    for one in entries():
        group = groups.get(one["group"])
        if group is None:
            group = groups[one["group"]] = menu.addMenu(one["group"])
        name = in_context(one["preset"], session)
        group.addCommand(
            one["label"],
            f"from airoto_nuke import startup; startup.create_preset({one['node']!r}, {name!r})",
            icon=f"{icons}/{one['node']}.png",
            tooltip=one["tooltip"],
        )


def freshen(menu: Any, icons: str) -> None:
    """Compile in the background, once windows are up, and fill the menu anew if that changed it.

    Not where `AIROTO_PRESET_INDEX` names an index: then somebody else compiles it.
    """
    from airoto_nuke import host

    hosts = search_path({**os.environ, PATH_VARIABLE: ""})
    if os.environ.get(INDEX_VARIABLE) or not (os.environ.get(PATH_VARIABLE) or hosts):
        return
    host.defer(lambda: _compile(menu, icons))


def _compile(menu: Any, icons: str) -> None:
    import subprocess
    import threading

    from airoto.errors import AIRotoError
    from airoto_client.bridge_protocol import scrubbed_environment
    from airoto_client.node import links
    from airoto_nuke import host

    folders = os.pathsep.join(search_path(os.environ))
    index = session_index()

    def work() -> None:
        try:
            command = [*links.command(), "preset", "compile", "--path", folders, "--index", index]
            done = subprocess.run(
                command,
                env=scrubbed_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
            said = done.stderr.strip()
        except (AIRotoError, OSError, subprocess.TimeoutExpired) as exc:
            said = str(exc)
        host.post(lambda: _compiled(menu, icons, said))

    threading.Thread(target=work, name="airoto presets", daemon=True).start()


def _compiled(menu: Any, icons: str, said: str) -> None:
    from airoto_nuke import host

    if said:
        host.log(f"AIRoto presets: {said}")
    fill(menu, icons)
