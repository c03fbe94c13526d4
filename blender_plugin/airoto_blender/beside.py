"""A scene of ours beside the artist's, rendered frame by frame.

Without windows Blender lets nobody read what was composited, and no script the layers of an EXR.
Therefore a frame goes through a file of its own in Blender's temporary folder.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, TypeVar

from airoto.errors import FrameMissingError

from . import exr_rows, host, versions
from .exr_rows import Rows

_Self = TypeVar("_Self", bound="Beside")
_rendering = False


def is_rendering() -> bool:
    """Whether a render is one of ours, at which the gate need not look."""
    return _rendering


class Beside:
    """Renders a scene of ours; leave it, or the scene stays."""

    def __init__(self, what: str, make: Callable[[str], Any]) -> None:
        """
        Args:
            what: is rendered, in words.
            make: gives a scene that it makes, with the name that it is given; a scene of that name
                is taken away where it fails.
        """
        self.what = what
        # Known by name: undo takes it away, and everything has another address after it.
        self._scene = f".AI Roto {secrets.token_hex(8)}"
        files = str(Path(host.temporary_folder()) / f"airoto-{secrets.token_hex(8)}.")
        try:
            host.write_half_rows(make(self._scene), files)
        except BaseException:
            self.close()
            raise

    def planes(self, number: int) -> dict[str, Rows]:
        """Channels R, G and B of a frame of the scene, scene-linear.

        Raises:
            FrameMissingError: Blender cannot render it.
        """
        try:
            with _ours():
                path = Path(host.render_frame(self._scene, number))
            data = path.read_bytes()
            path.unlink()
        except (RuntimeError, OSError) as exc:
            raise FrameMissingError(
                f"{self.what} cannot be rendered on frame {number}: {str(exc).strip()}"
            ) from exc
        return exr_rows.planes_of(data)

    def close(self) -> None:
        """Take our scene away again."""
        versions.remove_scene(self._scene)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """What is rendered meanwhile is ours."""
    global _rendering
    before, _rendering = _rendering, True
    try:
        yield
    finally:
        _rendering = before
