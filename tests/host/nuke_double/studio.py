"""An artist at the double: a script with a plate, our nodes, clicks and renders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nuke
import numpy as np
import session
from nuke import _images

from airoto_nuke import startup, sync, tasks
from airoto_nuke.knobs import NodeKind

# The clip: 6 frames, 192x108, and a pixel of its hero on the first, counted from the top.
FIRST, LAST = 1001, 1006
WIDTH, HEIGHT = 192, 108
HERO = (80.5, 61.1)


class Studio:
    """One session of Nuke.

    Args:
        folder: where the script is saved.
        clip: the sample clip.
        server: a target.
    """

    def __init__(self, folder: Path, clip: Path, server: str, *, gui: bool) -> None:
        self.app = session.reset(gui=gui)
        self.folder, self.clip, self.server = folder, clip, server
        folder.mkdir(parents=True, exist_ok=True)
        startup.every_mode()
        if gui:
            startup.windows()
        nuke.root()["colorManagement"].setValue("OCIO")
        nuke.root()["workingSpaceLUT"].setValue("ACEScg")
        session.set_root_format(WIDTH, HEIGHT)
        self.save("shot")
        self.plate = nuke.nodes.Read(
            name="Plate",
            file=f"{clip}/plate_acescg/plate.####.exr",
            first=FIRST,
            last=LAST,
            colorspace="ACEScg",
        )
        nuke.frame(FIRST)

    def save(self, name: str) -> Path:
        """Save the script."""
        path = self.folder / f"{name}.nk"
        nuke.scriptSaveAs(str(path), overwrite=1)
        return path

    def node(self, kind: NodeKind = NodeKind.ROTO, plate: Any = None, engine: str = "null") -> Any:
        """A new node on the plate, asking for one engine everywhere."""
        for one in nuke.allNodes():
            one.setSelected(False)
        (plate or self.plate).setSelected(True)
        made = sync.create(kind)
        if made.knob("server") is not None:
            made["server"].setValue(self.server)
        for name in ("segment_engine", "track_engine", "matte_engine"):
            if made.knob(name) is not None:
                made[name].setValue(engine)
        return made

    def click(self, node: Any, x: float, y: float, *, positive: bool = True) -> None:
        """Ctrl-click a pixel of the plate, counted from the top as recipes do, and add it."""
        session.sample(node.input(0), x, node.input(0).format().height() - y)
        session.press(node, "add_positive" if positive else "add_negative")

    def press(self, node: Any, name: str) -> None:
        """Press a button and wait for what it began."""
        session.press(node, name)
        self.wait(node)

    def wait(self, node: Any) -> None:
        """Until the node's job is over."""
        if self.app.gui:
            session.pump(lambda: not tasks.is_running(node))

    def tracked(self, **options: Any) -> Any:
        """A node with one click that was tracked."""
        node = self.node(**options)
        self.click(node, *HERO)
        self.press(node, "track")
        return node

    def write(self, source: Any, name: str = "out", channels: str = "all") -> Any:
        """A Write after a node."""
        return nuke.nodes.Write(
            name=name,
            file=str(self.folder / f"{name}.%04d.exr"),
            file_type="exr",
            channels=channels,
            inputs=[source],
        )

    def alpha(self, node: Any, frame: int) -> np.ndarray:
        """A node's alpha over the format, as windows show it."""
        return self.channel(node, frame, "rgba.alpha")

    def channel(self, node: Any, frame: int, name: str) -> np.ndarray:
        """One channel of a node over the format."""
        image = _images.render(node, frame)
        return image.plane(name, (0, 0, image.format.width(), image.format.height()))
