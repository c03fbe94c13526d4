"""Figures, not tests: `python tests/host/measure.py` prints one JSON object.

Start-up of the plug-in on a bare Python, one message through the bridge, and a click to its
picture by stage, with the null engine at 1080p and 4K. Write and Read are the double's
(OpenImageIO), not Nuke's. Medians, in milliseconds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
ROOTS = [str(REPOSITORY / name) for name in ("nuke_plugin", "proto")]
sys.path[:0] = [str(HERE / "nuke_double"), *ROOTS]

REPEATS = 7
STARTUP = f"""
import sys, time, types
sys.path[:0] = {ROOTS!r}
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
nuke = sys.modules["nuke"] = types.ModuleType("nuke")
nuke.__getattr__ = lambda name: Anything()
import runpy
began = time.perf_counter()
for name in ("init.py", "menu.py"):
    runpy.run_path({ROOTS[0]!r} + "/" + name)
print((time.perf_counter() - began) * 1000)
"""


def median(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median time of a call in milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


def startup() -> float:
    """Of `init.py` and `menu.py` together, each time in a new Python."""
    command = [sys.executable, "-I", "-S", "-c", STARTUP]
    times = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS)
    ]
    return round(statistics.median(times), 2)


def click(width: int, height: int, folder: Path, server: str) -> dict[str, float]:
    """One click on a rendered plate, stage by stage."""
    import nuke
    import session
    from nuke import _images
    from studio import Studio

    from airoto_nuke import cache_paths, capture, links, nodes, plates, sight, tasks

    studio = Studio(folder, folder, server, gui=True)
    session.set_root_format(width, height)
    grey = nuke.nodes.Constant(color=(0.2, 0.3, 0.4, 1.0))
    node = studio.node(plate=grey)
    for name in ("first", "last"):
        node[name].setValue(1001)
    studio.click(node, width / 3, height / 3)
    plate = plates.plate_of(node)
    pattern = cache_paths.plate_pattern(nodes.folder_of(node), plate.identity)
    path = cache_paths.frame_path(pattern, 1001)

    def write() -> None:
        Path(path).unlink(missing_ok=True)
        capture.capture(node, "plate", pattern, [1001], channels="rgb", view="main")

    stages = {"write": median(write, 3)}
    link = links.get(server)
    recipe = nodes.recipe_of(node, plate, nodes.state_of(node), output=f"{folder}/m.%04d.exr")

    def hand_over() -> None:
        sight.sees_file(link, path)
        link.call("ProbePlate", {"plate": {"path": pattern}})

    stages["hand_over"] = median(hand_over)
    answers: list[Any] = []
    ask = {"recipe": recipe, "frame": 1001}
    stages["decode_and_segment"] = median(lambda: answers.append(link.call("Segment", ask)))
    mask = str(folder / "mask.exr")
    handles = [a["objects"][0]["candidates"][0]["mask_handle"] for a in answers]
    stages["result"] = median(
        lambda: link.download(handles.pop(), mask, encoding="exr"), len(handles)
    )
    stages["read"] = median(lambda: _images._read_file(mask, raw=True))
    began = time.perf_counter()
    session.press(node, "segment")
    session.pump(lambda: not tasks.is_running(node))
    stages["button_to_picture"] = round((time.perf_counter() - began) * 1000, 2)
    return stages


def main() -> None:
    """Measure, print."""
    airoto = os.environ.setdefault("AIROTO_COMMAND", str(Path(sys.executable).with_name("airoto")))
    found: dict[str, Any] = {"startup": startup()}
    with tempfile.TemporaryDirectory(prefix="airoto-measure-") as name:
        folder = Path(name)
        server = f"unix:{folder}/s.sock"
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [airoto, "serve", "--socket", f"{folder}/s.sock", "--threads", "1"],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            while b"serving" not in (folder / "log").read_bytes():
                time.sleep(0.05)
            from airoto_nuke import links

            link = links.get(server)
            found["bridge_message"] = median(lambda: link.call("GetServerInfo", {}), 50)
            found["1080p"] = click(1920, 1080, folder / "hd", server)
            found["4K"] = click(4096, 2160, folder / "4k", server)
            links.close_all()
        finally:
            process.terminate()
            process.wait(20)
            log.close()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
