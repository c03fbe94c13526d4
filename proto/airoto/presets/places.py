"""Where presets and their index lie. Imports nothing that a host's start-up would feel."""

# ruff: noqa: PTH111 - paths are text here, as variables have them

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence

# Folders of presets, and the compiled index, where they are not in the usual places.
PATH_VARIABLE = "AIROTO_PRESET_PATH"
INDEX_VARIABLE = "AIROTO_PRESET_INDEX"
HOST_VARIABLE = "NUKE_PATH"
# Below a folder of the host's plug-in path.
HOST_FOLDER = "airoto/presets"
# The show and sequence that a session works on.
SHOW_VARIABLE = "AIROTO_SHOW"
SEQUENCE_VARIABLE = "AIROTO_SEQUENCE"


def search_path(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Folders that hold presets, in order: `AIROTO_PRESET_PATH`, then each of `NUKE_PATH`."""
    named = [one for one in environment.get(PATH_VARIABLE, "").split(os.pathsep) if one.strip()]
    hosts = [one for one in environment.get(HOST_VARIABLE, "").split(os.pathsep) if one.strip()]
    found = [*named, *(f"{one.rstrip('/')}/{HOST_FOLDER}" for one in hosts)]
    return tuple(dict.fromkeys(os.path.normpath(os.path.expanduser(one)) for one in found))


def index_path(environment: Mapping[str, str], folders: Sequence[str]) -> str:
    """Where the index of these folders lies: `AIROTO_PRESET_INDEX`, else in the user's home."""
    named = environment.get(INDEX_VARIABLE, "")
    if named:
        return named
    mark = zlib.crc32(os.pathsep.join(folders).encode("utf-8", "surrogateescape"))
    return os.path.expanduser(f"~/.airoto/presets/index-{mark:08x}.json")


def session_index() -> str:
    """Where the index of this session's presets lies."""
    return index_path(os.environ, search_path(os.environ))


def in_context(name: str, environment: Mapping[str, str]) -> str:
    """A preset's name for what the session works on: `studio:hair` in SHOWX is `SHOWX:hair`."""
    place, colon, task = name.partition(":")
    show = environment.get(SHOW_VARIABLE, "").strip()
    sequence = environment.get(SEQUENCE_VARIABLE, "").strip()
    if show and place in ("studio", show):
        place = f"{show}/{sequence}" if sequence else show
    return f"{place}{colon}{task}"
