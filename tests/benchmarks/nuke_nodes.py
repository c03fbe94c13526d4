"""What the Nuke nodes cost: start-up, a message through the bridge, a click to its picture.

    .venv/bin/python tests/benchmarks/nuke_nodes.py [--json]

Engines are `null`, so everything measured is ours, at 1080p and 4K by stage: Write (the plate
rendered by the inner Write), hand-over (the server proves that it sees the file, and looks at it),
decode (the server reads, converts and segments: its first click on a frame, against a second one
on it), result (candidate masks as files), Read. Write and Read are those of the double of Nuke
(OpenImageIO), not Nuke's. Medians in milliseconds; machines differ, so look at ratios.
"""

from __future__ import annotations

import argparse
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

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = [str(REPOSITORY / name) for name in ("nuke_plugin", "proto")]
sys.path[:0] = [str(REPOSITORY / "tests/host/nuke_double"), *ROOTS]

REPEATS = 5
SIZES = {"1080p": (1920, 1080), "4K": (4096, 2160)}
STAGES = ("Write", "hand-over", "decode", "result", "Read", "button to picture", "second click")
STARTUP = f"""
import sys, time, types
sys.path[:0] = {ROOTS!r}
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
nuke = sys.modules["nuke"] = types.ModuleType("nuke")
nuke.__getattr__ = lambda name: Anything()
import runpy
began = time.process_time()
for name in ("init.py", "menu.py"):
    runpy.run_path({ROOTS[0]!r} + "/" + name)
print((time.process_time() - began) * 1000)
"""


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    options = parser.parse_args()
    os.environ.setdefault("AIROTO_COMMAND", str(Path(sys.executable).with_name("airoto")))
    from serving import running_server

    from airoto_client.node import links

    found: dict[str, Any] = {"start-up": startup()}
    with (
        tempfile.TemporaryDirectory(prefix="airoto-measure-") as name,
        running_server("--cache", "off") as server,
    ):
        link = links.get(server)
        found["bridge message"] = median(lambda: link.call("GetServerInfo", {}), 100)
        found["grpc message"] = grpc_message(server)
        for size, (width, height) in SIZES.items():
            found[size] = click(width, height, Path(name) / size, server)
        links.close_all()
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'start-up, processor time':28}{found['start-up']:10.1f} ms")
    print(f"{'one message, bridge':28}{found['bridge message']:10.2f} ms")
    print(f"{'one message, gRPC in process':28}{found['grpc message']:10.2f} ms\n")
    print(
        f"{'click to picture, ms':28}" + "".join(f"{size:>10}" for size in SIZES) + f"{'ratio':>10}"
    )
    for stage in STAGES:
        small, large = (found[size][stage] for size in SIZES)
        print(f"{stage:28}{small:10.1f}{large:10.1f}{large / small:10.1f}")


def median(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median time of a call in milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


def startup() -> float:
    """Processor time of `init.py` and `menu.py` together, each time in a new Python."""
    command = [sys.executable, "-I", "-S", "-c", STARTUP]
    times = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS)
    ]
    return round(statistics.median(times), 2)


def grpc_message(server: str) -> float:
    """The same message without the bridge."""
    from airoto_client.grpc_link import GrpcLink

    with GrpcLink(server) as link:
        return median(lambda: link.call("GetServerInfo", {}), 100)


def click(width: int, height: int, folder: Path, server: str) -> dict[str, float]:
    """Clicks on a rendered plate, stage by stage, each on a frame that the server never saw."""
    import nuke
    import session
    from nuke import _images
    from studio import Studio

    from airoto_client.node import cache_paths, links, sight
    from airoto_nuke import capture, nodes, plates, tasks

    studio = Studio(folder, folder, server, gui=True)
    session.set_root_format(width, height)
    grey = nuke.nodes.Constant(color=(0.2, 0.3, 0.4, 1.0))
    node = studio.node(plate=grey)
    frames = range(1001, 1001 + 2 * REPEATS)
    node["first"].setValue(frames[0])
    node["last"].setValue(frames[-1])
    plate = plates.plate_of(node)
    pattern = cache_paths.plate_pattern(nodes.folder_of(node), plate.identity)
    link = links.get(server)
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def clock(stage: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        made = call()
        times[stage].append((time.perf_counter() - began) * 1000)
        return made

    def write(frame: int) -> None:
        capture.capture(node, "plate", pattern, [frame], channels="rgb", view="main")

    def hand_over(frame: int) -> None:
        sight.sees_file(link, cache_paths.frame_path(pattern, frame))
        link.call("ProbePlate", {"plate": {"path": pattern}})

    def segment(recipe: Any, frame: int) -> Any:
        return link.call("Segment", {"recipe": recipe, "frame": frame})

    def fetch(answer: Any, mask: str) -> None:
        for one in answer["objects"][0]["candidates"]:
            link.download(one["mask_handle"], mask, encoding="exr")

    def press() -> None:
        session.press(node, "segment")
        session.pump(lambda: not tasks.is_running(node))

    mask = str(folder / "mask.exr")
    for number, frame in enumerate(frames):
        nuke.frame(frame)
        studio.click(node, width / 3, height / 3)
        if number % 2:
            clock("button to picture", press)
            clock("second click", press)
            continue
        clock("Write", lambda frame=frame: write(frame))
        clock("hand-over", lambda frame=frame: hand_over(frame))
        recipe = nodes.recipe_of(node, plate, nodes.state_of(node), output=f"{folder}/m.%04d.exr")
        answer = clock("decode", lambda recipe=recipe, frame=frame: segment(recipe, frame))
        clock("result", lambda answer=answer: fetch(answer, mask))
        clock("Read", lambda: _images._read_file(mask, raw=True))
    return {stage: round(statistics.median(values), 2) for stage, values in times.items()}


if __name__ == "__main__":
    main()
