"""Finished mattes as numbers, read by Blender itself: an Image node in a scene of our own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from airoto.errors import BadRequestError

from . import inside, nodes, plates, versions
from .beside import Beside

Node = Any
Matte = npt.NDArray[np.float32]


class Mattes(Beside):
    """Reads mattes of one object, as the node shows them.

    Raises:
        BadRequestError: the node shows no mattes of that object.
    """

    def __init__(self, node: Node, name: str) -> None:
        image = nodes.shown_image(node)
        if image is None:
            raise BadRequestError(f"{node.name} shows no mattes", hint="press Track first")
        label, size = f"matte_{name}", plates.size_of(node)

        def make(scene_name: str) -> Any:
            scene, tree = versions.empty_scene(scene_name, size)
            shown = inside.image_node(tree, image, node, node.first, node.last)
            socket = shown.outputs.get(label)
            if socket is None:
                raise BadRequestError(
                    f"the mattes of {node.name} have no {label}", hint="press Track first"
                )
            versions.show_only(tree, socket)
            return scene

        super().__init__(label, make)

    def frame(self, number: int) -> Matte:
        """The matte on a frame of the scene: (H, W), float32, 0 to 1, rows from the top.

        Raises:
            FrameMissingError: it cannot be read.
        """
        return np.clip(self.planes(number)["R"].astype(np.float32), 0, 1)


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
