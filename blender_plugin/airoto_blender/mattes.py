"""Finished mattes as numbers, read by Blender itself: an Image node, rendered to a plain file.

Blender lets no script read the layers of an EXR; a scene of our own shows one of them, and what it
renders is read as `upstream` reads the input of a node.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto.errors import BadRequestError, FrameMissingError

from . import exr_rows, host, inside, nodes, plates, upstream

Node = Any
Matte = npt.NDArray[np.float32]


class Mattes:
    """Reads mattes of one object, as the node shows them; leave it, or its scene stays.

    Raises:
        BadRequestError: the node shows no mattes of that object.
    """

    def __init__(self, node: Node, name: str) -> None:
        image = nodes.shown_image(node)
        if image is None:
            raise BadRequestError(f"{node.name} shows no mattes", hint="press Track first")
        self._label = f"matte_{name}"
        self._scene = f".AI Roto {secrets.token_hex(8)}"
        self._file = str(Path(host.temporary_folder()) / f"airoto-{secrets.token_hex(8)}.")
        self._size = plates.size_of(node)
        scene, tree = host.empty_scene(self._scene, self._size)
        try:
            shown = inside.image_node(tree, image, node, node.first, node.last)
            socket = shown.outputs.get(self._label)
            if socket is None:
                raise BadRequestError(
                    f"the mattes of {node.name} have no {self._label}", hint="press Track first"
                )
            host.show_only(tree, socket)
            host.write_half_rows(scene, self._file)
        except BaseException:
            self.close()
            raise

    def frame(self, number: int) -> Matte:
        """The matte on a frame of the scene: (H, W), float32, 0 to 1, rows from the top.

        Raises:
            FrameMissingError: it cannot be read.
        """
        try:
            with upstream.ours():
                path = Path(host.render_frame(self._scene, number))
            data = path.read_bytes()
            path.unlink()
        except (RuntimeError, OSError) as exc:
            raise FrameMissingError(
                f"{self._label} cannot be read on frame {number}: {str(exc).strip()}"
            ) from exc
        return np.clip(exr_rows.planes_of(data)["R"].astype(np.float32), 0, 1)

    def close(self) -> None:
        """Take our scene away again."""
        host.remove_scene(self._scene)

    def __enter__(self) -> Mattes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def frames_of(node: Node, step: int) -> list[int]:
    """The plate's frames that become keys: every so many, and the last.

    Raises:
        BadRequestError: a frame of the range has no current matte.
    """
    frames = list(range(node.first, node.last + 1, step))
    frames += [] if frames[-1] == node.last else [node.last]
    for frame in frames:
        wrong = nodes.problem(node, frame)
        if wrong:
            raise BadRequestError(wrong, hint="press Track first")
    return frames
