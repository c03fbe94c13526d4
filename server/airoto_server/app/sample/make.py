"""Making the sample clip: frames, truth, recipe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from airoto.wire import recipe as recipes
from airoto_server.app.sample import ball, files, frame, rig
from airoto_server.app.sample.motion import FRAME_RATE, SHUTTER, camera
from airoto_server.app.sample.record import (
    MARKER,
    VERSION,
    Parameters,
    check,
    clean,
    complete,
    frame_files,
    write_marker,
)
from airoto_server.ops.colour import Colour, ColourSettings
from airoto_server.ops.parallel import default_threads, limit_libraries, ordered_map

DISPLAY, VIEW = "sRGB - Display", "ACES 2.0 - SDR 100 nits (Rec.709)"
# A thread needs about 0.5 KiB for each pixel of the picture.
_PIXELS_AT_ONCE = 2_200_000
_README = """\
AIRoto's sample clip
====================

{frames} frames ({first}-{last}), {width}x{height}, 24 frames a second, 180 degree shutter.
Every pixel is made by AIRoto's own code (airoto_server.app.sample), so that its alpha is
exact: the same strands, holes and motion blur that are in the plate.

sample.airoto.json     the recipe: airoto render sample.airoto.json --preview
plate_acescg/          the plate: scene-linear ACEScg, half float EXR
plate_srgb/            the same through OpenColorIO, {display} / {view}, JPEG
plate_half/            the same at half size, a proxy
plate_overscan/        the same with pixels around the display window
alpha/                 the hero's exact alpha, channel A of a half float EXR
{second}mattes/                where the recipe's mattes go

Licence: CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/
To the extent possible under law, the authors of AIRoto have waived all copyright and
related rights to the files of this clip.
"""


@dataclass(frozen=True)
class SamplePaths:
    """Where the clip is; sequences are patterns (`plate.####.exr`).

    Attributes:
        alphas: the exact alpha of each object, in the recipe's order.
        rendered: how many frames were made now; 0 where all was there already.
    """

    folder: Path
    recipe: Path
    acescg: Path
    srgb: Path
    half: Path
    overscan: Path
    alphas: tuple[Path, ...]
    readme: Path
    first: int
    last: int
    rendered: int


def make_sample(
    folder: Path | str,
    *,
    frames: int = 24,
    width: int = 960,
    height: int = 540,
    first: int = 1001,
    seed: int = 0,
    objects: int = 1,
    threads: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> SamplePaths:
    """Make the clip in `folder`, or leave it alone if it is there already.

    Frames of the same parameters and version that are there in full are not made again; frames
    of an older clip in the same folder are removed. The same parameters give the same bits.

    Args:
        frames: at 24 a second; the creature hops once a second.
        width, height: of the display window; even, and from 4:3 (16:10 with two objects) to 3:1.
        first: number of the first frame.
        objects: 2 adds a ball.
        threads: 0 means as many as there are processors, as far as memory allows.
        on_progress: called with frames done and in total, from any thread, one call at a time.

    Raises:
        BadRequestError: a parameter is out of range.
        OutputError, OutOfSpaceError: a file cannot be written.
    """
    wanted = Parameters(VERSION, frames, width, height, first, seed, objects)
    check(wanted)
    root = Path(folder)
    sizes = clean(root, wanted)
    numbers = [first + index for index in range(frames)]
    missing = [n for n in numbers if not complete(root, frame_files(n, objects), sizes)]
    if missing:
        # Until the end there is no marker: what is interrupted here is made again.
        with files.translated(root / MARKER):
            (root / MARKER).unlink(missing_ok=True)
        _render(root, wanted, missing, len(numbers), threads, on_progress)
    elif on_progress is not None:
        on_progress(frames, frames)
    _write_recipe(root, wanted)
    _write_readme(root, wanted)
    write_marker(root, wanted, numbers)
    return _paths(root, wanted, len(missing))


# ---- making it -----------------------------------------------------------------------


def _render(
    root: Path,
    p: Parameters,
    numbers: list[int],
    total: int,
    threads: int,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    limit_libraries()
    margins = p.margins()
    world = frame.build(p.width, p.height, *margins, p.objects, p.seed)
    colour = Colour(ColourSettings(space="ACEScg", display=DISPLAY, view=VIEW))
    lock = threading.Lock()
    done = total - len(numbers)

    def make(number: int) -> None:
        nonlocal done
        _write_frame(root, number, frame.render(world, number - p.first), margins, colour)
        with lock:
            done += 1
            if on_progress is not None:
                on_progress(done, total)

    at_once = max(1, _PIXELS_AT_ONCE // (p.width * p.height))
    ordered_map(make, numbers, min(threads or default_threads(), at_once))


def _write_frame(
    root: Path, number: int, layers: frame.Layers, margins: tuple[int, int], colour: Colour
) -> None:
    mx, my = margins
    whole = layers.plate()
    tall, wide = whole.shape[:2]
    inside = (slice(my, tall - my), slice(mx, wide - mx))
    plate = whole[inside]
    size = (wide - 2 * mx, tall - 2 * my)
    rgb = ("R", "G", "B")
    names = frame_files(number, len(layers.alphas))
    half_float = plate.astype(np.float16)
    files.write_exr(root / names[0], half_float, rgb)
    files.write_jpeg(root / names[1], colour.to_display(half_float))
    proxy = cv2.resize(plate, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    files.write_exr(root / names[2], proxy.astype(np.float16), rgb)
    files.write_exr(root / names[3], whole.astype(np.float16), rgb, origin=(-mx, -my), display=size)
    for name, alpha in zip(names[4:], layers.alphas, strict=True):
        files.write_exr(root / name, alpha[inside][..., None].astype(np.float16), ("A",))


def _write_recipe(root: Path, p: Parameters) -> None:
    seconds = 0.5 * SHUTTER / FRAME_RATE
    hero = rig.clicks(seconds)
    clicks: list[tuple[str, str, tuple[tuple[float, float], ...]]] = [("hero", "#ff9a3c", hero)]
    if p.objects == 2:
        eye = camera(seconds)
        at = (ball.place(seconds) - eye[0], rig.GROUND + ball.RADIUS * 0.94 - eye[1])
        clicks.append(("ball", "#3cb4ff", (at,)))
    objects: list[dict[str, Any]] = []
    for number, (name, colour, places) in enumerate(clicks, start=1):
        points = [
            {
                "x": round(p.width / 2 + x * p.height, 1),
                "y": round(p.height / 2 - y * p.height, 1),
                "label": "POINT_LABEL_POSITIVE",
            }
            for x, y in places
        ]
        prompt = {"frame": p.first, "points": points}
        objects.append({"id": number, "name": name, "colour": colour, "prompts": [prompt]})
    document = {
        "version": recipes.VERSION,
        "name": "sample",
        "plate": {
            "path": "plate_acescg/plate.####.exr",
            "frames": {"first": p.first, "last": p.first + p.frames - 1},
            "format": {"width": p.width, "height": p.height, "pixel_aspect": 1.0},
            "colour": {"space": "ACEScg", "display": DISPLAY, "view": VIEW},
        },
        "objects": objects,
        "output": {"path": "mattes/hero.####.exr"},
    }
    recipe = recipes.from_dict(document)
    recipes.validate(recipe)
    text = recipes.to_json(recipe).encode()
    files.write_if_new(root / "sample.airoto.json", text)


def _write_readme(root: Path, p: Parameters) -> None:
    second = "alpha2/                likewise, of the ball\n" if p.objects == 2 else ""
    text = _README.format(
        **asdict(p), last=p.first + p.frames - 1, display=DISPLAY, view=VIEW, second=second
    )
    files.write_if_new(root / "README.txt", text.encode())


def _paths(root: Path, p: Parameters, rendered: int) -> SamplePaths:
    alphas = (root / "alpha/alpha.####.exr", root / "alpha2/alpha2.####.exr")
    return SamplePaths(
        folder=root,
        recipe=root / "sample.airoto.json",
        acescg=root / "plate_acescg/plate.####.exr",
        srgb=root / "plate_srgb/plate.####.jpg",
        half=root / "plate_half/plate.####.exr",
        overscan=root / "plate_overscan/plate.####.exr",
        alphas=alphas[: p.objects],
        readme=root / "README.txt",
        first=p.first,
        last=p.first + p.frames - 1,
        rendered=rendered,
    )
