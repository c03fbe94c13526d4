"""Reading image files: what they are (`probe`) and their pixels (`read_frame`, `read_mask`).

Pixels come in the file's own colour encoding: nothing is linearised, multiplied or divided
by alpha. Damaged files may crash the process that reads them: the server does it in a child
process (`transport.decoder`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window
from airoto_server.ops.halves import are_finite
from airoto_server.ops.imagefile_channels import (
    Part,
    Selection,
    channels_of,
    layers_of,
    select,
    views_of,
)
from airoto_server.ops.imagefile_oiio import (
    FORMATS,
    first_line,
    oiio,
    opened,
    sniff,
    unreadable,
)

Pixels = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Plane = npt.NDArray[np.float32]

MAX_PIXELS = 1 << 28
"""Pixels a picture may have unless the caller says otherwise: 16384 x 16384."""

HALF_MAX = 65504.0
_MAX_PARTS = 256
# Formats whose header says how the camera was held. EXR has no such thing.
_ORIENTED = {"jpeg", "tiff", "png", "dpx"}
# Encodings of the file that OpenImageIO would turn into RGB by rules of its own.
_NO_RGB = {"CMYK", "YCCK", "color separated", "CIELAB", "ICCLAB", "ITULAB", "LogLuv", "LOGLUV"}


@dataclass(frozen=True)
class FileInfo:
    """What a file says of itself.

    Attributes:
        format: `OpenEXR`, `PNG`, ...
        display: width and height of the display window.
        data_window: where there are pixels, counted from the display window's corner;
            all parts together.
        pixel_aspect: pixel width over height.
        channels: full names of all parts.
        layers: names besides the main picture.
        views: names, default first; empty where the file knows of none.
        parts: names of the parts (subimages); as many as there are.
        bit_type: `uint8`, `uint16`, `half`, `float`, ... of the first channel.
        is_float: half or float.
        colour_hints: attributes that bear on colour (`oiio:ColorSpace`, `dpx:Transfer`,
            `chromaticities`), as text.
        orientation: EXIF's number, 1 to 8; `display` and `data_window` are as seen upright.
        compression: as the reader names it, or empty.
        notes: for people.
    """

    format: str
    display: tuple[int, int]
    data_window: Window
    pixel_aspect: float
    channels: tuple[str, ...]
    layers: tuple[str, ...]
    views: tuple[str, ...]
    parts: tuple[str, ...]
    bit_type: str
    is_float: bool
    colour_hints: tuple[tuple[str, str], ...]
    orientation: int
    compression: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """The pixels of one picture.

    Attributes:
        pixels: (H, W, 3), float16 for half files and float32 for the rest, in the file's own
            colour encoding; integers are scaled to 0..1. No NaN, no infinity.
        alpha: (H, W) float32 as stored, or None.
        window: the data window that `pixels` cover, counted from the display window's corner.
        display: width and height of the display window.
        pixel_aspect: pixel width over height.
        views: the views of the file.
        notes: what was done to the pixels, for people.
    """

    pixels: Pixels
    alpha: Plane | None
    window: Window
    display: tuple[int, int]
    pixel_aspect: float = 1.0
    views: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaskImage:
    """A drawn mask: (H, W) float32, 0 to 1, where it lies, and the display window's size."""

    mask: Plane
    window: Window
    display: tuple[int, int]


def probe(path: Path, *, label: str = "", max_pixels: int = MAX_PIXELS) -> FileInfo:
    """What the file is, from its header alone.

    Args:
        label: name of the file in messages; its path, if empty.

    Raises:
        FrameMissingError: no such file.
        FrameUnreadableError: no picture, damaged, deep, or larger than `max_pixels`.
    """
    label = label or str(path)
    with opened(path, label) as (handle, format_name, notes):
        specs = _specs(handle)
        parts = tuple(_part(spec) for spec in specs)
        window = Window(0, 0, 0, 0)
        for spec in specs:
            _refuse(spec, label, max_pixels)
            window = window.union(_window(spec))
        head = specs[0]
        turn = _Turn.of(head, format_name)
        display = (head.full_width, head.full_height)
        hints = tuple(
            (attribute.name, str(attribute.value))
            for attribute in head.extra_attribs
            if attribute.name in ("oiio:ColorSpace", "chromaticities", "colorInteropID")
            or attribute.name.startswith(("dpx:Transfer", "dpx:Colorimetric"))
        )
        return FileInfo(
            format=FORMATS[format_name][0],
            display=turn.size(display),
            data_window=turn.window(window, display),
            pixel_aspect=turn.aspect(_aspect(head)),
            channels=tuple(name for part in parts for name in part.channels),
            layers=layers_of(channels_of(parts)),
            views=views_of(parts),
            parts=tuple(part.name for part in parts),
            bit_type=str(head.channelformat(0)),
            is_float=str(head.channelformat(0)) in ("half", "float", "double"),
            colour_hints=hints,
            orientation=turn.number,
            compression=head.get_string_attribute("compression"),
            notes=notes,
        )


def read_frame(
    path: Path,
    *,
    layer: str = "",
    view: str = "",
    label: str = "",
    max_pixels: int = MAX_PIXELS,
) -> Frame:
    """The picture in a file, upright.

    Args:
        layer: empty for the main R, G, B. One channel alone is taken as grey.
        view: must be named where the file holds several; not looked at where it has none.
        label: name of the file in messages; its path, if empty.
        max_pixels: checked on the declared sizes before memory is asked for.

    Raises:
        FrameMissingError: no such file.
        FrameUnreadableError: no picture, damaged, deep, CMYK, or larger than `max_pixels`.
        FrameMismatchError: no such view or layer, or none named where one must be.
    """
    label = label or str(path)
    with opened(path, label) as (handle, format_name, opening_notes):
        specs = _specs(handle)
        parts = tuple(_part(spec) for spec in specs)
        selection = select(parts, layer, view, label)
        spec = specs[selection.part]
        _refuse(spec, label, max_pixels)
        notes = [*opening_notes, *([selection.note] if selection.note else [])]
        half = all(str(spec.channelformat(index)) == "half" for index in selection.colour)
        colour: Any = _read(handle, selection, selection.colour, half, label, notes)
        alpha = None
        if selection.alpha is not None:
            alpha = _read(handle, selection, (selection.alpha,), False, label, notes)[:, :, 0]
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    turn = _Turn.of(spec, format_name)
    display = (spec.full_width, spec.full_height)
    return Frame(
        pixels=turn.pixels(finite(colour, "colour", notes)),
        alpha=None if alpha is None else turn.pixels(finite(alpha, "alpha", notes)),
        window=turn.window(_window(spec), display),
        display=turn.size(display),
        pixel_aspect=turn.aspect(_aspect(spec)),
        views=views_of(parts),
        notes=tuple(notes),
    )


def read_mask(
    path: Path, *, layer: str = "", label: str = "", max_pixels: int = MAX_PIXELS
) -> MaskImage:
    """A mask file: its alpha if there is one, else its first channel, clipped to 0..1.

    Args:
        layer: that holds it; empty for the main picture.

    Raises:
        as `read_frame`.
    """
    frame = read_frame(path, layer=layer, label=label, max_pixels=max_pixels)
    plane = frame.alpha if frame.alpha is not None else frame.pixels[:, :, 0]
    mask = np.clip(plane.astype(np.float32), 0.0, 1.0)
    return MaskImage(np.ascontiguousarray(mask), frame.window, frame.display)


def read_mask_bytes(data: bytes, *, label: str, max_pixels: int = MAX_PIXELS) -> MaskImage:
    """As `read_mask`, for an encoded image in memory; `label` names it in messages."""
    suffix = FORMATS[sniff(data) or "png"][1][0]
    with tempfile.NamedTemporaryFile(prefix="airoto-", suffix=suffix) as file:
        file.write(data)
        file.flush()
        return read_mask(Path(file.name), label=label, max_pixels=max_pixels)


# ---- headers -----------------------------------------------------------------------


def _specs(handle: Any) -> list[Any]:
    """The header of every part."""
    specs: list[Any] = []
    while len(specs) < _MAX_PARTS and handle.seek_subimage(len(specs), 0):
        specs.append(handle.spec())
    handle.geterror()  # forget the complaint that there are no more
    return specs


def _part(spec: Any) -> Part:
    views = spec.getattribute("multiView")
    if isinstance(views, str):
        views = (views,)
    return Part(
        name=spec.get_string_attribute("oiio:subimagename"),
        view=spec.get_string_attribute("view"),
        views=tuple(views or ()),
        channels=tuple(spec.channelnames),
    )


def _window(spec: Any) -> Window:
    x, y = spec.x - spec.full_x, spec.y - spec.full_y
    return Window(x, y, x + spec.width, y + spec.height)


def _aspect(spec: Any) -> float:
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0))
    return aspect if np.isfinite(aspect) and aspect > 0 else 1.0


def _refuse(spec: Any, label: str, max_pixels: int) -> None:
    """Raise for what is not read, before anything is allocated."""
    if spec.deep:
        raise unreadable(label, "is a deep EXR", "flatten it first (DeepToImage)")
    for kind, width, height in (
        ("picture", spec.width, spec.height),
        ("display window", spec.full_width, spec.full_height),
    ):
        if width < 1 or height < 1:
            raise unreadable(label, f"declares a {kind} of {width}x{height} pixels")
        if width * height > max_pixels:
            raise unreadable(
                label,
                f"declares a {kind} of {width}x{height} pixels, "
                f"above the limit of {max_pixels} pixels",
            )
    for attribute in ("jpeg:ColorSpace", "tiff:ColorSpace"):
        space = spec.get_string_attribute(attribute)
        if space in _NO_RGB:
            raise unreadable(label, f"is {space}, not RGB", "save it as RGB")


# ---- pixels ------------------------------------------------------------------------


def _read(
    handle: Any,
    selection: Selection,
    indices: tuple[int, ...],
    half: bool,
    label: str,
    notes: list[str],
) -> Pixels:
    """The channels of these indices, (H, W, len(indices)), float16 if `half` else float32."""
    first, last = min(indices), max(indices) + 1
    together = indices == tuple(range(first, last))
    runs = [(first, last)] if together else [(index, index + 1) for index in indices]
    planes = []
    for begin, end in runs:
        kind = oiio.HALF if half else oiio.FLOAT
        pixels = handle.read_image(selection.part, 0, begin, end, kind)
        complaint = handle.geterror()
        if pixels is None:
            raise unreadable(label, f"damaged: {first_line(complaint)}")
        if complaint:
            # A reader that filled up a truncated file with grey says so only here.
            if "extraneous bytes" not in complaint:
                raise unreadable(label, f"damaged: {first_line(complaint)}")
            notes.append(first_line(complaint))
        planes.append(pixels)
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)


def finite(pixels: Any, what: str, notes: list[str]) -> Any:
    """The same pixels without NaN (0 instead) and infinities (the largest half).

    `pixels` itself where there are none; else they are counted in `notes`.
    """
    if pixels.dtype == np.float16 and are_finite(pixels):
        return pixels
    finite = np.isfinite(pixels)
    if finite.all():
        return pixels
    notes.append(f"{int(finite.size - finite.sum())} {what} values were NaN or infinite")
    return np.nan_to_num(pixels, copy=True, nan=0.0, posinf=HALF_MAX, neginf=-HALF_MAX)


@dataclass(frozen=True)
class _Turn:
    """How a stored picture is turned upright: EXIF's orientation, 1 to 8."""

    number: int

    @classmethod
    def of(cls, spec: Any, format_name: str) -> _Turn:
        number = spec.get_int_attribute("Orientation", 1) if format_name in _ORIENTED else 1
        return cls(number if 1 <= number <= 8 else 1)

    @property
    def swaps(self) -> bool:
        """Whether rows become columns; done before the flips."""
        return self.number >= 5

    @property
    def flips_x(self) -> bool:
        return self.number in (2, 3, 6, 7)

    @property
    def flips_y(self) -> bool:
        return self.number in (3, 4, 7, 8)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        return (size[1], size[0]) if self.swaps else size

    def aspect(self, aspect: float) -> float:
        return 1.0 / aspect if self.swaps else aspect

    def window(self, window: Window, display: tuple[int, int]) -> Window:
        x0, y0, x1, y1 = window.x_min, window.y_min, window.x_max, window.y_max
        if self.swaps:
            x0, y0, x1, y1 = y0, x0, y1, x1
        width, height = self.size(display)
        if self.flips_x:
            x0, x1 = width - x1, width - x0
        if self.flips_y:
            y0, y1 = height - y1, height - y0
        return Window(x0, y0, x1, y1)

    def pixels(self, pixels: Any) -> Any:
        if self.swaps:
            pixels = pixels.swapaxes(0, 1)
        if self.flips_x:
            pixels = pixels[:, ::-1]
        if self.flips_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)
