"""What of a render has arrived: kept in the result's manifest. Standard library only, no host."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from airoto_client.node import cache_paths, remote, staleness
from airoto_client.node.plate_files import file_of

# Seconds between two looks of a host at what has arrived.
_SHOW_EVERY = 0.5


class Arriving:
    """The manifest of a result whose frames come in; what was there before stays in it.

    Args:
        ask: the render.
        objects: names in order.

    Attributes:
        manifest: as it is now.
    """

    def __init__(self, ask: remote.Ask, objects: tuple[str, ...]) -> None:
        plate_files = {} if ask.given is not None else _plate_files(ask)
        output = ask.recipe["output"]
        layers = tuple(name for name in ("trimap", "foreground", "confidence") if output.get(name))
        before = staleness.read_manifest(cache_paths.manifest_path(ask.folder, ask.key))
        known = before or staleness.Manifest(
            key=ask.key,
            pattern=output["path"],
            objects=objects,
            layers=layers,
            scale=ask.recipe["plate"]["proxy_scale"],
        )
        self.manifest = replace(
            known,
            plate_files={**known.plate_files, **plate_files},
            pixels={**known.pixels, **ask.pixels},
        )
        self._shown = time.monotonic()

    def take(self, event: Any) -> None:
        """Note a finished frame or the recipe's hash."""
        if isinstance(event, remote.Planned):
            self.manifest = replace(self.manifest, recipe_hash=event.recipe_hash)
        elif isinstance(event, remote.FrameDone) and event.locked:
            locked = tuple(sorted({*self.manifest.locked, event.frame}))
            self.manifest = replace(self.manifest, locked=locked)
        elif isinstance(event, remote.FrameDone):
            self.manifest = self.manifest.with_frame(event.frame, event.notes)

    def is_time(self) -> bool:
        """Whether it is time to show what has arrived."""
        if time.monotonic() - self._shown < _SHOW_EVERY:
            return False
        self._shown = time.monotonic()
        return True


def _plate_files(ask: remote.Ask) -> dict[int, tuple[int, int]]:
    """Stamps of the plate's files, as they are before the render."""
    found = {}
    for frame in range(ask.frames[0], ask.frames[1] + 1):
        stamp = staleness.file_stamp(file_of(ask.recipe["plate"]["path"], frame))
        if stamp is not None:
            found[frame] = stamp
    return found
