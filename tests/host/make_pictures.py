"""The pictures of docs/artists.md, from our own nodes: `python tests/host/make_pictures.py`.

The sample clip through the double, the real bridge and server, classic engines.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE / "nuke_double"), *(str(REPOSITORY / n) for n in ("nuke_plugin", "proto"))]
PICTURES = REPOSITORY / "docs" / "images"
WIDTH, HEIGHT = 480, 270


def main() -> None:
    """Render the views of a tracked node."""
    import studio as desk

    from airoto_server.app.sample import make_sample

    airoto = str(Path(sys.executable).with_name("airoto"))
    os.environ.setdefault("AIROTO_COMMAND", airoto)
    with tempfile.TemporaryDirectory(prefix="airoto-pictures-") as name:
        folder = Path(name)
        make_sample(folder / "clip", frames=3, width=WIDTH, height=HEIGHT)
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [airoto, "serve", "--socket", f"{folder}/s.sock"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while b"serving" not in (folder / "log").read_bytes():
                time.sleep(0.05)
            studio = desk.Studio(
                folder / "shot", folder / "clip", f"unix:{folder}/s.sock", gui=True
            )
            studio.plate["last"].setValue(1003)
            node = studio.node(engine="auto")
            scale = WIDTH / desk.WIDTH
            studio.click(node, desk.HERO[0] * scale, desk.HERO[1] * scale)
            studio.press(node, "track")
            for view in ("Overlay", "Mask", "Trimap"):
                node["view"].setValue(view)
                _save(studio, node, PICTURES / f"nuke-{view.lower()}.png")
        finally:
            from airoto_client.node import links

            links.close_all()
            process.terminate()
            process.wait(20)
            log.close()


def _save(studio: object, node: object, path: Path) -> None:
    import numpy as np
    import OpenImageIO as oiio

    planes = [studio.channel(node, 1002, f"rgba.{one}") for one in ("red", "green", "blue")]  # type: ignore[attr-defined]
    linear = np.clip(np.stack(planes, 2), 0, 1)
    shown = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    path.parent.mkdir(exist_ok=True)
    spec = oiio.ImageSpec(linear.shape[1], linear.shape[0], 3, oiio.UINT8)
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), spec)
    out.write_image(np.ascontiguousarray(np.rint(shown * 255), np.uint8))
    out.close()


if __name__ == "__main__":
    main()
