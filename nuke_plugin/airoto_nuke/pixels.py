"""What the server is to read: the Read's own files, or frames that the node renders.

Standard library only, no Nuke: `plates` looks at the graph, this decides.
"""

# ruff: noqa: PTH119, PTH122 - paths are text here, as knobs have them

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airoto.errors import BadRequestError
from airoto_client.node.plate_files import TOKEN

_PICTURES = (".exr", ".dpx", ".cin", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".tga")
_DEFAULT_SPACE = re.compile(r"default \((.*)\)")

# Nuke's own curves (colour management "Nuke") in the words of the built-in ACES config.
NUKE_SPACES = {
    "linear": "Linear Rec.709 (sRGB)",
    "sRGB": "display",
    "rec709": "Camera Rec.709",  # the camera's encoding, not a display's gamma
    "Gamma1.8": "Gamma 1.8 Rec.709 - Texture",
    "Gamma2.2": "Gamma 2.2 Rec.709 - Texture",
    "ACES2065-1": "ACES2065-1",
    "ACEScg": "ACEScg",
}

# Knobs of the inner Write: exactly what the node sees, nothing converted, the bounding box kept.
WRITE_KNOBS = {
    "file_type": "exr",
    "raw": True,
    "datatype": "16 bit half",
    "compression": "Zip (1 scanline)",
    "autocrop": False,
    "create_directories": True,
}


@dataclass(frozen=True)
class ReadFacts:
    """A Read that is connected without anything between.

    Attributes:
        file: the pattern as it is evaluated but for the frame token, absolute.
        shifted: its frame_mode moves frames.
        space: its colorspace knob's word.
        raw: it converts nothing.
        plain: no other knob of it changes pixels.
    """

    file: str
    first: int
    last: int
    shifted: bool
    space: str
    raw: bool
    plain: bool = True


def why_render(read: ReadFacts | None, first: int, last: int, *, always: bool, stereo: bool) -> str:
    """Why the server cannot read the plate's files itself, in words; empty if it may.

    Whether it sees them is proved later, by asking it.
    """
    if always:
        return "the node is set to always render the plate"
    if read is None:
        return "the plate is not a Read"
    if os.path.splitext(read.file)[1].lower() not in _PICTURES:
        return "the Read is a movie or of an unknown kind"
    if not TOKEN.search(os.path.basename(read.file)):
        return "the Read is one still picture"
    if read.shifted or not read.plain:
        return "the Read changes its frames or pixels"
    if stereo:
        # Its files may differ by view, and one file may hold several.
        return "the script has several views"
    if first < read.first or last > read.last:
        return f"the Read holds frames beyond {read.first}-{read.last}"
    return ""


def space_of(word: str, *, raw: bool, working: str, ocio: bool) -> str:
    """The recipe's colour space for a Read's `colorspace` word, or a script's working space.

    Raises:
        BadRequestError: Nuke's own colour management knows it and the recipe does not.
    """
    match = _DEFAULT_SPACE.fullmatch(word.strip())
    name = match[1] if match else word.strip()
    if raw or name in ("", "default"):
        name = working
    if ocio:
        # Menus show families: `Input/ARRI/LogC`.
        return name.rpartition("/")[2] if "/" in name else name
    if name in NUKE_SPACES:
        return NUKE_SPACES[name]
    raise BadRequestError(
        f"the colour space {name!r} of Nuke's own colour management is not known to AIRoto; "
        f"known: {', '.join(NUKE_SPACES)}",
        hint="name the plate's colour space on the Output tab",
    )


def frames_to_render(wanted: Iterable[int], exists: Callable[[int], bool]) -> list[int]:
    """Frames that are not in the cache yet."""
    return [frame for frame in wanted if not exists(frame)]
