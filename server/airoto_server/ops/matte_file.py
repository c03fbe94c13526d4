"""Matte files: half EXR with a layer per object, or the union alone as 16-bit PNG or TIFF.

Channels of the EXR: `A` the union; per object `matte_<name>.A`, and where asked for
`trimap_<name>.A` and `confidence_<name>.A`; `R`, `G`, `B` the foreground colour. Names
without a layer never land in Nuke's `other` layer, and `.A` channels are lossless under
every compression, DWAA included (it is lossy for R, G and B).
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto.errors import OutputError
from airoto_server.ops.exr_file import check_file, encoded_channels
from airoto_server.ops.geometry import Window, place
from airoto_server.ops.imagefile import HALF_MAX, MaskImage
from airoto_server.ops.imagefile_oiio import oiio, opened, unreadable
from airoto_server.ops.matte_file_atomic import WriteFailedError, replacing
from airoto_server.ops.nonzero import where_not_0
from airoto_server.ops.part import Part

Plane = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]

SUFFIXES = {".exr": "openexr", ".png": "png", ".tif": "tiff", ".tiff": "tiff"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROVENANCE = "airoto/provenance"
_KEY = "airoto"


class Compression(enum.Enum):
    """Of EXR files; the value is the reader's and writer's word for it.

    With DWAA `R`, `G` and `B` come back a little different.
    """

    RLE = "rle"
    ZIPS = "zips"
    DWAA = "dwaa"
    PIZ = "piz"
    NONE = "none"


@dataclass(frozen=True)
class ObjectMatte:
    """One object's layers; each plane covers the matte's window, or is 0 beyond a part of it.

    Attributes:
        name: [A-Za-z_][A-Za-z0-9_]*, unique without regard to case.
        alpha: (H, W) float32, 0 to 1, or a part of such a plane.
        trimap: (H, W) float32 (0, 0.5, 1), or None.
        confidence: 0 to 1, for the whole frame or per pixel (H, W), or None.
    """

    name: str
    alpha: Plane | Part
    trimap: Plane | Part | None = None
    confidence: Plane | float | None = None


@dataclass(frozen=True)
class Matte:
    """One frame's mattes.

    Attributes:
        union: (H, W) float32, 0 to 1, of all objects, or a part of such a plane.
        objects: in the recipe's order.
        window: the data window that the planes cover, counted from the display window's
            corner; may reach outside the display window or stay inside it.
        display: width and height of the display window.
        pixel_aspect: pixel width over height.
        foreground: (H, W, 3) straight colour in the plate's own colour encoding, or None.
        provenance: how it was made: JSON-able, `recipe_hash` among it.
    """

    union: Plane | Part
    objects: tuple[ObjectMatte, ...]
    window: Window
    display: tuple[int, int]
    pixel_aspect: float = 1.0
    foreground: npt.NDArray[np.floating[Any]] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_matte(path: Path, matte: Matte, *, compression: Compression = Compression.ZIPS) -> None:
    """Write a matte file, replacing what is there. The suffix of `path` chooses the format.

    The file appears whole or not at all: before it does, what lies there has been compared with
    what was to be written, an EXR byte by byte.
    0 and 1 stay exact; the rest is rounded to half float or 16 bits. The bytes depend on
    nothing but the arguments.

    Args:
        compression: for EXR; PNG and TIFF are deflated.

    Raises:
        OutOfSpaceError: the disk is full.
        OutputError: it cannot be written there, or an unknown suffix.
        ValueError: planes of the wrong shape, NaN, or a bad name.
    """
    format_name = SUFFIXES.get(path.suffix.lower())
    if format_name is None:
        known = ", ".join(SUFFIXES)
        raise OutputError(f"{path}: no such matte format; allowed: {known}", path=str(path))
    texts = _texts(matte, format_name)
    if format_name == "openexr":
        layers = _layers(matte)
        with replacing(path) as temporary:
            data = encoded_channels(
                layers,
                matte.window,
                matte.display,
                pixel_aspect=matte.pixel_aspect,
                attributes=texts,
                compression=compression.value,
            )
            temporary.write_bytes(data)
            check_file(temporary, data)
        return
    spec, pixels = _union_only(matte)
    for name, text in texts.items():
        spec.attribute(name, text)
    spec.attribute("PixelAspectRatio", float(matte.pixel_aspect))
    spec.attribute("DateTime", "")  # or the time of writing goes in
    with replacing(path) as temporary:
        _write(temporary, format_name, spec, pixels)
        _compare(temporary, pixels)


@dataclass(frozen=True)
class MatteInfo:
    """What a file's header says of its making.

    Attributes:
        provenance: as it was written, or None: AIRoto did not make the file.
        objects: names of the objects that have a layer.
    """

    provenance: dict[str, Any] | None
    objects: tuple[str, ...]


def inspect(path: Path, *, label: str = "") -> MatteInfo:
    """Whether a file is one of our mattes, from its header.

    Raises:
        FrameMissingError: no such file.
        FrameUnreadableError: no picture, or damaged.
    """
    with opened(path, label or str(path)) as (handle, _, _):
        return _info(handle.spec())


def read_provenance(path: Path) -> dict[str, Any] | None:
    """How a matte was made; None: AIRoto did not make it.

    Raises:
        as `inspect`.
    """
    return inspect(path).provenance


def read_alpha(path: Path, name: str) -> MaskImage:
    """The alpha of one object in a matte of ours; the union where it has no objects.

    Raises:
        FrameMissingError, FrameUnreadableError: as `read_matte`.
    """
    matte = read_matte(path)
    alphas = {one.name: one.alpha for one in matte.objects} or {name: matte.union}
    nothing = Part(Window(0, 0, 0, 0), np.zeros((0, 0), np.float32))
    alpha = alphas.get(name, nothing)
    if isinstance(alpha, Part):
        alpha = alpha.whole((matte.window.height, matte.window.width))
    return MaskImage(alpha, matte.window, matte.display)


def read_matte(path: Path) -> Matte:
    """A matte file that `write_matte` wrote; without its foreground and confidence planes.

    Raises:
        FrameMissingError: no such file.
        FrameUnreadableError: damaged, or no matte of ours.
    """
    label = str(path)
    with opened(path, label) as (handle, _, _):
        spec = handle.spec()
        info = _info(spec)
        if info.provenance is None:
            raise unreadable(label, "is no matte of AIRoto's")
        pixels = handle.read_image(0, 0, 0, spec.nchannels, oiio.FLOAT)
        if pixels is None:
            raise unreadable(label, f"damaged: {handle.geterror()}")
        planes = {
            name: np.ascontiguousarray(pixels[:, :, index])
            for index, name in enumerate(spec.channelnames)
        }
        x, y = spec.x - spec.full_x, spec.y - spec.full_y
        return Matte(
            union=planes["A" if "A" in planes else "Y"],
            objects=tuple(
                ObjectMatte(name, planes[f"matte_{name}.A"], planes.get(f"trimap_{name}.A"))
                for name in info.objects
            ),
            window=Window(x, y, x + spec.width, y + spec.height),
            display=(spec.full_width, spec.full_height),
            pixel_aspect=float(spec.get_float_attribute("PixelAspectRatio", 1.0)),
            provenance=info.provenance,
        )


# ---- layers ------------------------------------------------------------------------


def _texts(matte: Matte, format_name: str) -> dict[str, str]:
    """What the header says."""
    text = json.dumps({_KEY: dict(matte.provenance)}, sort_keys=True, separators=(",", ":"))
    if format_name != "openexr":
        return {"ImageDescription": text, "Software": "AIRoto"}
    own = {f"airoto/{key}": one for key, one in matte.provenance.items() if isinstance(one, str)}
    return {**own, _PROVENANCE: text, "Software": "AIRoto"}


def _layers(matte: Matte) -> dict[str, Half]:
    """The channels of the EXR."""
    window = matte.window
    layers: dict[str, Half] = {}
    if matte.foreground is not None:
        colour = _checked("foreground", matte.foreground, (window.height, window.width, 3))
        for index, name in enumerate("RGB"):
            light = np.clip(colour[:, :, index], -HALF_MAX, HALF_MAX)
            layers[name] = where_not_0(_half, light, np.float16)
    layers["A"] = _unit_half("union", matte.union, window)
    named: dict[str, Half] = {}
    for one in matte.objects:
        if not _NAME.fullmatch(one.name):
            raise ValueError(f"{one.name!r} is no name of a layer")
        named[f"matte_{one.name}.A"] = _unit_half(one.name, one.alpha, window)
        if one.trimap is not None:
            named[f"trimap_{one.name}.A"] = _unit_half(one.name, one.trimap, window)
        if one.confidence is not None:
            shape = (window.height, window.width)
            confidence = np.broadcast_to(np.asarray(one.confidence, np.float32), shape)
            named[f"confidence_{one.name}.A"] = _unit_half(one.name, confidence, window)
    if len({one.name.lower() for one in matte.objects}) != len(matte.objects):
        raise ValueError(f"two layers of one name: {', '.join(named)}")
    return {**layers, **named}


def _half(plane: Plane) -> Half:
    return plane.astype(np.float16)


def _unit_half(what: str, plane: Plane | Part, window: Window) -> Half:
    """Over the whole window; only what is not 0 is worked on."""
    part = _part(what, plane, window)
    made = np.zeros((window.height, window.width), np.float16)
    made[part.window.slices(Window.sized(window.width, window.height))] = _unit(what, part.values)
    return made


def _union_only(matte: Matte) -> tuple[Any, npt.NDArray[np.uint16]]:
    """Header and pixels (H, W, 1) uint16 over the display window: PNG knows no other."""
    display = Window.sized(*matte.display)
    part = _part("union", matte.union, matte.window)
    window = part.window.shifted(matte.window.x_min, matte.window.y_min)
    union = place(_unit("union", part.values), window, display)
    spec = oiio.ImageSpec(display.width, display.height, 1, oiio.UINT16)
    spec.channelnames = ["Y"]
    spec.attribute("compression", "zip")
    codes = np.rint(union * np.float32(65535)).astype(np.uint16)
    return spec, np.ascontiguousarray(codes[:, :, None])


def _part(what: str, plane: Plane | Part, window: Window) -> Part:
    """What of a plane over the window is not 0.

    Raises:
        ValueError: it does not cover the window, or is a part of a larger one.
    """
    shape = (window.height, window.width)
    if isinstance(plane, Part):
        inside = Window.sized(window.width, window.height).contains(plane.window)
        if plane.values.shape != (plane.window.height, plane.window.width) or not inside:
            raise ValueError(f"{what}: a part over {plane.window} of a plane that covers {window}")
        return plane
    if plane.shape != shape or window.is_empty:
        raise ValueError(f"{what}: a plane of shape {plane.shape} does not cover {window}")
    return Part.of(plane)


def _unit(what: str, values: Plane) -> Plane:
    """As float32, 0 to 1."""
    return np.clip(_checked(what, values, values.shape), 0, 1)


def _checked(what: str, plane: Any, shape: tuple[int, ...]) -> Plane:
    """The plane as float32, if it has that shape and holds numbers."""
    if plane.shape != shape:
        raise ValueError(f"{what}: a plane of shape {plane.shape} where {shape} should be")
    if not np.isfinite(plane).all():
        raise ValueError(f"{what}: a plane with NaN or infinity")
    return np.asarray(plane, np.float32)


# ---- files -------------------------------------------------------------------------


def _write(path: Path, format_name: str, spec: Any, pixels: npt.NDArray[Any]) -> None:
    """
    Raises:
        WriteFailedError: the library noticed that it could not.
    """
    output = oiio.ImageOutput.create(format_name)
    if output is None:
        raise WriteFailedError(f"the library cannot write {format_name}")
    written = output.open(str(path), spec) and output.write_image(pixels)
    complaint = output.geterror()
    # Always closed: a file that is still open keeps its space on a full disk.
    if not output.close() or not written:
        raise WriteFailedError(complaint or output.geterror())


def _compare(path: Path, pixels: npt.NDArray[np.uint16]) -> None:
    """Read a written file back.

    Raises:
        WriteFailedError: it does not hold what was to be written.
    """
    with opened(path, str(path)) as (handle, _, _):
        found = handle.read_image(0, 0, 0, handle.spec().nchannels, oiio.UINT16)
        if found is None or not np.array_equal(found, pixels):
            raise WriteFailedError("other pixels were read back")


def _info(spec: Any) -> MatteInfo:
    text = spec.get_string_attribute(_PROVENANCE) or spec.get_string_attribute("ImageDescription")
    provenance = None
    try:
        blob = json.loads(text) if text.startswith("{") else None
    except ValueError:
        blob = None  # somebody else's description
    if isinstance(blob, dict) and isinstance(blob.get(_KEY), dict):
        provenance = blob[_KEY]
    names = (re.fullmatch(r"matte_(.+)\.A", name) for name in spec.channelnames)
    return MatteInfo(provenance, tuple(match[1] for match in names if match))
