"""The plate of a node: which files, frames and colours an image data-block stands for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, FrameMissingError
from airoto_client.node.plate_files import stamps
from airoto_client.node.staleness import digest

from . import host, upstream, versions

Node = Any
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
# Blender's colour spaces in the words of the built-in ACES config; empty leaves it to the file.
SPACES = {
    "sRGB": "display",
    "Linear Rec.709": "Linear Rec.709 (sRGB)",
    "ACEScg": "ACEScg",
    "ACES2065-1": "ACES2065-1",
    "Linear Rec.2020": "Linear Rec.2020",
    "Linear DCI-P3 D65": "Linear P3-D65",
    "Non-Color": "",
}

# Names frames that are in no file, and stands for those that nobody has rendered yet.
_RENDERED = "input.%04d.exr"
_NEVER = "0" * 16

_sizes: dict[tuple[str, int, int], tuple[int, int]] = {}


@dataclass(frozen=True)
class Plate:
    """What a node works on.

    Attributes:
        path: pattern of a sequence (`plate.%04d.exr`), or a movie, absolute.
        first, last: frames that are there.
        width, height: in pixels.
        identity: 16 hex digits of its files, or of the pixels that were rendered last.
        is_rendered: Blender renders its frames; the path only names them.
    """

    path: str
    first: int
    last: int
    width: int
    height: int
    identity: str
    is_movie: bool
    is_rendered: bool = False
    pixel_aspect: float = 1.0


def plate_of(node: Node) -> Plate:
    """
    Raises:
        BadRequestError: the node has no plate, or one whose files nobody can read.
        FrameMissingError: its files are not there.
    """
    image = node.plate
    if image is None and upstream.is_wired(node):
        return _rendered(node)
    if image is None:
        raise BadRequestError(
            f"{node.name} has no plate",
            hint="choose an image sequence or movie, or wire something into its Image input",
        )
    if image.source not in ("SEQUENCE", "MOVIE", "FILE") or image.packed_file is not None:
        raise BadRequestError(
            f"the image {image.name} has no file of its own ({image.source.lower()})",
            hint="choose an image sequence or movie",
        )
    file = host.absolute(image.filepath, image)
    width, height = _size_of(image, file)
    if not (width and height):
        raise FrameMissingError(f"the plate {file} cannot be read", path=file)
    if image.source == "MOVIE":
        info = Path(file).stat()
        key = digest([file, info.st_size, info.st_mtime_ns])[:16]
        return Plate(file, 1, max(1, image.frame_duration), width, height, key, True)
    pattern = pattern_of(file)
    found = stamps(pattern)
    numbers = [int(match[1]) for name, _, _ in found if (match := _NUMBER.search(Path(name).stem))]
    if not numbers:
        raise BadRequestError(
            f"{file} is one still picture, not a sequence", hint="number its frames: name.1001.exr"
        )
    key = digest([pattern, found])[:16]
    return Plate(pattern, min(numbers), max(numbers), width, height, key, False)


def is_rendered(node: Node) -> bool:
    """Whether the plate is what comes into the node."""
    return node.plate is None and upstream.is_wired(node)


def _rendered(node: Node) -> Plate:
    """What comes into the node, over the scene's range.

    Raises:
        BadRequestError: the node is inside a group.
    """
    scene = upstream.scene_of(node)
    width, height = upstream.size_of(scene)
    aspect = scene.render.pixel_aspect_x / scene.render.pixel_aspect_y
    return Plate(
        path=_RENDERED,
        first=scene.frame_start,
        last=scene.frame_end,
        width=width,
        height=height,
        identity=str(node.input_identity) or _NEVER,
        is_movie=False,
        is_rendered=True,
        pixel_aspect=round(aspect, 6),
    )


def size_of(node: Node) -> tuple[int, int]:
    """Width and height of the node's plate in pixels; its files are not listed.

    Raises:
        BadRequestError: the node has no plate.
        FrameMissingError: its file is not there.
    """
    image = node.plate
    if is_rendered(node):
        return upstream.size_of(upstream.scene_of(node))
    if image is None:
        raise BadRequestError(f"{node.name} has no plate", hint="choose an image sequence or movie")
    file = host.absolute(image.filepath, image)
    size = _size_of(image, file)
    if not all(size):
        raise FrameMissingError(f"the plate {file} cannot be read", path=file)
    return size


def _size_of(image: Any, file: str) -> tuple[int, int]:
    """In pixels; zero where it cannot be read.

    A sequence of a file that was just opened says 0 x 0 until somebody looks at a frame that is
    there; so its file is loaded once as a still.
    """
    try:
        info = os.stat(file)  # noqa: PTH116
    except OSError:
        return 0, 0
    if all(image.size):
        return image.size[0], image.size[1]
    key = (file, info.st_size, info.st_mtime_ns)
    if key not in _sizes:
        _sizes[key] = host.size_of_file(file)
    return _sizes[key]


def pattern_of(file: str) -> str:
    """A file's sequence: the last number of its name becomes `%04d`."""
    path = Path(file)
    match = _NUMBER.search(path.stem)
    if match is None:
        return file
    stem = path.stem.replace("%", "%%")
    name = f"{stem[: match.start()]}%0{len(match[1])}d{stem[match.end() :]}{path.suffix}"
    return f"{path.parent.as_posix()}/{name}"


def number_of(file: str) -> int:
    """The frame's number in a file's name; 1 where it has none."""
    match = _NUMBER.search(Path(file).stem)
    return 1 if match is None else int(match[1])


def image_of_clip(clip: Any) -> Any:
    """An image data-block that reads a movie clip's files, with its colour space."""
    file = host.absolute(clip.filepath, clip)
    image = host.find_image(file) or host.load_image(file)
    image.source = clip.source
    image.colorspace_settings.name = clip.colorspace_settings.name
    return image


def colour_of(node: Node) -> dict[str, str]:
    """The recipe's `plate.colour`, as the image says; the node's own settings win over it.

    Raises:
        BadRequestError: a colour space that the recipe has no word for.
    """
    if node.colour_space:
        return {}
    if is_rendered(node):
        whose, name = "Blender", versions.working_space()
    else:
        whose, name = f"the image {node.plate.name}", str(node.plate.colorspace_settings.name)
    if name not in SPACES:
        raise BadRequestError(
            f"the colour space {name!r} of {whose} is not known to AIRoto; "
            f"known: {', '.join(SPACES)}",
            hint="name the plate's colour space under Output",
        )
    return {"space": SPACES[name]} if SPACES[name] else {}
