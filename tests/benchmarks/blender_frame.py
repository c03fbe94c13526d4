"""What mattes cost a render in Blender: 1080p, `null` engines, beside finished mattes on disk.

    .venv/bin/python tests/benchmarks/blender_frame.py [--frames N] [--stability S]
        [--working-size P] [--objects N] [--rendered]

One tree is rendered in the background in one process: first the server makes the node's mattes,
then the node reads the files that are there, then AIRoto does not look at the render at all and
Blender alone reads them. The first round warms the server up. `--rendered` wires the plate through
Blender, so that it is rendered once more and goes through shared memory. `null` works at the
plate's size; `--working-size 854` is what `classic`, Cutie and XMem ask for. The bar: a frame costs
at most 60 ms more than with finished mattes on disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from own_server import own_server

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
from shots import *
import time
frames, rendered = int(sys.argv[-5]), sys.argv[-4] == "True"
register()
folder, clip, server = arguments()
made = make(folder, clip, server)
tree, scene = made.id_data, bpy.context.scene
for one in [one for one in tree.nodes if one.bl_idname == "CompositorNodeOutputFile"]:
    tree.nodes.remove(one)
scene.render.resolution_x, scene.render.resolution_y = 1920, 1080
scene.frame_end = made.last = FIRST + frames - 1
scene.render.image_settings.exr_codec = "NONE"
if rendered:
    wire(made, clip, stops=0.0)
made.stability, made.working_size = float(sys.argv[-6]), int(sys.argv[-7])
if int(sys.argv[-8]) == 1:
    from airoto_blender import nodes
    state = nodes.state_of(made)
    nodes.edit(made, "one", state_ops.remove_object(state, state.objects[1].id))

def took():
    begin = time.perf_counter(), time.process_time()
    render()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]

first = took()
made.trust_input = True
again = min(took() for _ in range(2))
from airoto_blender import gate
gate.unregister()
alone = min(took() for _ in range(2))
gate.register()
tell(made=first, read=again, alone=alone, status=made.status, warning=made.warning)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rendered", action="store_true")
    parser.add_argument(
        "--stability", type=float, default=1.0, help="of edges; 1 is the node's own"
    )
    parser.add_argument("--working-size", type=int, default=0, help="0: the plate's")
    parser.add_argument("--objects", type=int, default=2, choices=(1, 2))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with own_server() as link, tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip"
        _write_plate(clip / "plate_acescg", options.frames)
        for number in range(options.rounds):
            _measure(Path(name) / str(number), clip, link.target, options)


def _write_plate(folder: Path, frames: int) -> None:
    """Half RGB, ZIP, 1920x1080: waves with grain that move."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:1080, 0:1920].astype(np.float32)
    grain = np.random.default_rng(0).normal(0, 0.01, (1080, 1920, 3)).astype(np.float32)
    for number in range(frames):
        waves = np.sin((x + 8 * number) / 37)[..., None] * np.cos(y / 29)[..., None]
        pixels = np.ascontiguousarray(0.3 + 0.2 * waves + np.roll(grain, number, axis=1))
        path = str(folder / f"plate.{1001 + number}.exr")
        file = oiio.ImageOutput.create(path)
        spec = oiio.ImageSpec(1920, 1080, 3, "half")
        spec.attribute("compression", "zip")
        if not (file.open(path, spec) and file.write_image(pixels) and file.close()):
            raise OSError(file.geterror())


def _measure(folder: Path, clip: Path, target: str, options: argparse.Namespace) -> None:
    folder.mkdir()
    roots = ("tests/blender", "proto", "nuke_plugin", "blender_plugin")
    python = os.environ.get("AIROTO_BPY_PYTHON") or str(ROOT / ".venv-bpy/bin/python")
    settings = [options.objects, options.working_size, options.stability]
    settings += [options.frames, options.rendered]
    arguments = [*settings, folder, clip, target]
    ran = subprocess.run(
        [python, "-c", SCRIPT, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / one) for one in roots)},
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        sys.exit(ran.stdout + ran.stderr)
    said = next(line[6:] for line in ran.stdout.splitlines() if line.startswith("FACTS "))
    facts = json.loads(said)
    for number, what in enumerate(("wall", "Blender's processor")):
        made, read, alone = (
            1000 * facts[name][number] / options.frames for name in ("made", "read", "alone")
        )
        print(
            f"a frame, ms of {what}: {made:.1f} with mattes made, {read:.1f} with finished ones, "
            f"{alone:.1f} where AIRoto does not look: making costs {made - read:.1f}, "
            f"looking {read - alone:.1f}"
        )
    print(f"  {facts['status']} {facts['warning']}")


if __name__ == "__main__":
    main()
