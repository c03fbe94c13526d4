"""What each compression of EXR mattes costs: processor to write and to read, and bytes.

    .venv/bin/python tests/benchmarks/matte_compressions.py [--foreground]

1080p, two objects and their union: discs, one with a ragged, half-transparent rim of noise.
Times are of the processor, the least of five; ratios are against ZIPS.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file import Compression, Matte, ObjectMatte, write_matte

_WIDTH, _HEIGHT = 1920, 1080


def frame(foreground: bool) -> Matte:
    """A frame of mattes."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)

    def disc(across: float, down: float, radius: float) -> npt.NDArray[np.float32]:
        distance: npt.NDArray[np.float32] = radius - np.hypot(x - across, y - down)
        return distance

    ragged = disc(600, 500, 220) + random.normal(0, 12, x.shape).astype(np.float32)
    alphas = [np.clip(each / 30 + 0.5, 0, 1) for each in (ragged, disc(1300, 560, 250))]
    union = np.maximum(*alphas)
    light = None
    if foreground:
        grain = random.normal(0.3, 0.01, (_HEIGHT, _WIDTH, 3)).astype(np.float32)
        light = np.where(union[..., None] > 0, grain + 0.2 * np.sin(x / 37)[..., None], 0)
    objects = tuple(ObjectMatte(f"object_{i}", alpha) for i, alpha in enumerate(alphas, 1))
    window = Window.sized(_WIDTH, _HEIGHT)
    return Matte(union, objects, window, (_WIDTH, _HEIGHT), foreground=light)


def least(work: Callable[[], object]) -> float:
    """Milliseconds of the processor."""
    took = []
    for _ in range(5):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return 1000 * min(took)


def read(path: Path) -> None:
    """As a host does: everything, as half floats."""
    image = oiio.ImageInput.open(str(path))
    assert image.read_image(0, 0, 0, image.spec().nchannels, oiio.HALF) is not None
    image.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--foreground", action="store_true", help="its colour too")
    matte = frame(parser.parse_args().foreground)
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "matte.exr"
        for one in Compression:

            def write(one: Compression = one) -> None:
                write_matte(path, matte, compression=one)

            written = least(write)
            rows[one] = written, least(lambda: read(path)), path.stat().st_size / 1024
    print("            write, ms        read, ms              KB")
    for one, row in rows.items():
        pairs = zip(row, rows[Compression.ZIPS], strict=True)
        cells = (f"{each:10.1f} {each / base:4.2f}x" for each, base in pairs)
        print(f"{one.value:5}{''.join(cells)}")


if __name__ == "__main__":
    main()
