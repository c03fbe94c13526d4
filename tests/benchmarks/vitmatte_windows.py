"""ViTMatte in windows around the unknown region against the package's model over the whole frame.

    python tests/benchmarks/vitmatte_windows.py                  # 1920x1080, 5 % unknown
    python tests/benchmarks/vitmatte_windows.py --size 960x540
    python tests/benchmarks/vitmatte_windows.py --short          # only these two

The true small architecture with seeded weights: time and memory do not depend on what the
weights say. Every way has the server's settings of malloc. How much faster is told in processor
time, which other work on the machine changes least. Each way runs in a process of its own; peak:
its resident memory (VmHWM), and what
of that came after the network was loaded. The bar is held against the carrying package's own
forward pass of the whole frame; `whole, fused` is that with our attention, for which it is not
held. Alpha in windows of either overlap is compared with the whole frame's in the unknown region:
weights are scaled so that it varies there, but random, and a network that was never trained to
look near by differs more than a trained one would. Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

try:  # as a script, and as part of the tests
    from tests.engines import neural_checkpoints as neural
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.engines import neural_checkpoints as neural

# By how much windows must be faster, and how much of the memory they may take.
FASTER, SHARE = 5.0, 0.25
_ENGINE = "vitmatte-small"
_UNKNOWN = 0.05
_WINDOWS = "windows, overlap "
_WHOLE, _FUSED = "whole, the package's", "whole, fused"


def bands(height: int, width: int, share: float) -> npt.NDArray[np.float32]:
    """A trimap of six discs spread over the frame, the rims unknown: `share` of all pixels."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    radius = height / 7.2
    depth = share * height * width / (6 * 2 * np.pi * radius) / 2
    trimap = np.zeros((height, width), np.float32)
    for row in (0.27, 0.73):
        for column in (0.18, 0.5, 0.82):
            away = np.hypot(columns - column * width, rows - row * height) - radius
            trimap[away < depth] = 0.5
            trimap[away < -depth] = 1
    return trimap


def run(way: str, folder: Path, height: int, width: int, threads: int) -> None:
    """Matte once, keep alpha, and print seconds and bytes as JSON."""
    from airoto_server.engines.registry import LoadOptions, Role, find
    from airoto_server.engines.vitmatte import VitMatteMatter
    from airoto_server.engines.windowed import matte_in_windows
    from airoto_server.ops.geometry import Window
    from airoto_server.residency.malloc import keep_freed_memory

    keep_freed_memory()
    trimap = bands(height, width, _UNKNOWN)
    picture = neural.picture(height, width)
    options = LoadOptions(checkpoint=folder / "vitmatte.pth", threads=threads)
    engine = find(Role.MATTER, _ENGINE).load(options)
    assert isinstance(engine, VitMatteMatter)
    if way == _WHOLE:
        # In the engine's place, so that all but the network is the same.
        engine = VitMatteMatter(engine.facts, _packaged(folder), engine._place)
    loaded = _peak()
    began, processor = time.perf_counter(), time.process_time()
    whole = Window.sized(width, height)
    if way.startswith(_WINDOWS):
        engine.overlap = int(way.removeprefix(_WINDOWS))
        alpha = matte_in_windows(
            engine, lambda w: picture[w.slices(whole)], trimap, seed=0, threads=1
        )
    else:
        alpha = engine.matte(picture, trimap, seed=0).alpha
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    found = {"seconds": seconds, "processor": processor, "peak": _peak(), "loaded": loaded}
    np.save(folder / f"{way}.npy", alpha)
    print(json.dumps(found))


def _packaged(folder: Path) -> object:
    """The package's model as it comes, with the same weights."""
    import torch
    from transformers import VitMatteForImageMatting

    from airoto_server.engines import vitmatte

    model = VitMatteForImageMatting(vitmatte.configuration(vitmatte.SMALL)).eval()
    state = torch.load(folder / "vitmatte.pth", weights_only=True)
    model.load_state_dict(vitmatte.from_authors(state))
    return model.requires_grad_(False)


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status tells no VmHWM")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; 1 if windows are not as much faster and smaller as they must be."""
    from airoto_server.engines import vitmatte

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="only what the bar is held against")
    parser.add_argument("--run", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    width, height = (int(side) for side in options.size.split("x"))
    if options.run:
        run(options.run[0], Path(options.run[1]), height, width, options.threads)
        return 0
    ours = vitmatte.VitMatteMatter.overlap
    found, alphas = {}, {}
    with tempfile.TemporaryDirectory(prefix="airoto-bench-") as made:
        folder = Path(made)
        neural.write_author_vitmatte(folder / "vitmatte.pth", neural.vitmatte_model(vitmatte.SMALL))
        print(f"{'':<22}{'seconds':>10}{'processor':>11}{'peak MiB':>10}{'work MiB':>10}")
        ways = [f"{_WINDOWS}{overlap}" for overlap in sorted({32, 48, 64, ours})]
        ways = [f"{_WINDOWS}{ours}"] if options.short else [*ways, _FUSED]
        for way in (*ways, _WHOLE):
            command = [sys.executable, __file__, "--run", way, made]
            command += ["--size", options.size, "--threads", str(options.threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{way}: {done.stderr}")
                return 1
            one = found[way] = json.loads(done.stdout.splitlines()[-1])
            alphas[way] = np.load(folder / f"{way}.npy")
            peak, work = one["peak"] / 2**20, (one["peak"] - one["loaded"]) / 2**20
            print(
                f"{way:<22}{one['seconds']:>10.2f}{one['processor']:>11.2f}"
                f"{peak:>10.0f}{work:>10.0f}",
                flush=True,
            )
    unknown = bands(height, width, _UNKNOWN) == 0.5
    whole = alphas.pop(_WHOLE)[unknown]
    print(f"\nunknown {unknown.mean():.1%}, alpha's deviation there {whole.std():.3f}")
    for way, alpha in alphas.items():
        off = np.abs(alpha[unknown] - whole)
        print(
            f"{way:<22} off by {off.mean():.5f} in the mean, {np.percentile(off, 99):.5f} at 99 %"
        )
    faster = found[_WHOLE]["processor"] / found[f"{_WINDOWS}{ours}"]["processor"]
    share = found[f"{_WINDOWS}{ours}"]["peak"] / found[_WHOLE]["peak"]
    print(
        f"overlap {ours}: {faster:.1f} times as fast (wanted {FASTER:g}), "
        f"{share:.0%} of the peak memory (allowed {SHARE:.0%})"
    )
    return int(faster < FASTER or share > SHARE)


if __name__ == "__main__":
    sys.exit(main())
