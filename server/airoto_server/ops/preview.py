"""Pictures for people: overlays and contact sheets of mattes.

All colours here are display-referred sRGB. The overlay movie is in `preview_movie`.
"""

from __future__ import annotations

import colorsys
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from airoto.errors import OutputError

Picture = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Tint = tuple[int, int, int]

MAX_CELLS = 12
THUMBNAIL = 400
_SHEET = (27, 28, 30)
_PANEL = (40, 41, 44)
_TEXT = (226, 226, 222)
_QUIET = (140, 142, 146)
_GOOD, _FAIR, _POOR = (104, 186, 116), (226, 178, 74), (220, 92, 80)
_FONT = cv2.FONT_HERSHEY_DUPLEX
_GAP, _LABEL, _TITLE = 12, 26, 58


@dataclass(frozen=True)
class Matte:
    """One object's matte: alpha (H, W) float, 0 to 1, the colour it is shown in, its name."""

    alpha: Picture
    tint: Tint
    name: str


@dataclass(frozen=True)
class Cell:
    """One frame of a contact sheet, small already.

    Attributes:
        frame: its number.
        overlay: (h, w, 3) uint8.
        matte: (h, w, 3) uint8.
        confidence: 0 to 1, or None where there is none to show.
    """

    frame: int
    overlay: Bytes
    matte: Bytes
    confidence: float | None = None


def tint_for(number: int) -> Tint:
    """A colour for the object of that number (from 0); neighbours differ much."""
    hue = (0.075 + number * 0.618034) % 1.0
    r, g, b = colorsys.hsv_to_rgb(hue, 0.72, 1.0)
    return round(r * 255), round(g * 255), round(b * 255)


def parse_tint(text: str) -> Tint:
    """`#rrggbb` as red, green, blue.

    Raises:
        ValueError: it is no such thing.
    """
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError(f"{text!r} is no colour of the form #rrggbb")
    value = int(text[1:], 16)
    return value >> 16, value >> 8 & 255, value & 255


def overlay(picture: Picture, mattes: Sequence[Matte]) -> Bytes:
    """The picture with its objects tinted and outlined, the rest dimmed: (H, W, 3) uint8 RGB.

    Args:
        picture: (H, W, 3) float32 display-referred sRGB, 0 to 1.
        mattes: of the picture's size; later ones are drawn on top.
    """
    height, width = picture.shape[:2]
    line = max(1.0, min(height, width) / 400)
    grey = (picture @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    rest = (0.5 * picture + 0.5 * grey) * np.float32(0.66)
    cover = np.zeros((height, width, 1), np.float32)
    for matte in mattes:
        cover = np.maximum(cover, np.clip(matte.alpha, 0, 1)[..., None])
    shown = rest + (picture - rest) * cover
    for matte in mattes:
        alpha = np.clip(matte.alpha, 0, 1).astype(np.float32)[..., None]
        colour = np.array(matte.tint, np.float32) / 255
        # Keeps light and shade of the object, and moves its hue.
        shown = shown + alpha * 0.24 * (colour * (0.35 + 0.85 * grey) - shown * 0.8)
    out = as_bytes(shown)
    for matte in mattes:
        _outline(out, matte, line)
    for matte in mattes:
        _name(out, matte)
    return out


def matte_picture(mattes: Sequence[Matte], height: int, width: int) -> Bytes:
    """Mattes over black, (H, W, 3) uint8 RGB: white for one object, in their tints for several."""
    shown: npt.NDArray[np.floating] = np.zeros((height, width, 3), np.float32)
    for matte in mattes:
        colour = (255, 255, 255) if len(mattes) == 1 else matte.tint
        alpha = np.clip(matte.alpha, 0, 1).astype(np.float32)[..., None]
        shown = shown * (1 - alpha) + alpha * (np.array(colour, np.float32) / 255)
    return as_bytes(shown)


def checker(height: int, width: int) -> Picture:
    """A card of two greys to look at a comp on, (H, W, 3) float32."""
    size = max(4, min(height, width) // 24)
    rows, columns = np.arange(height) // size, np.arange(width) // size
    odd = ((rows[:, None] + columns[None]) % 2).astype(np.float32)
    return np.repeat((0.34 + 0.10 * odd)[..., None], 3, axis=2).astype(np.float32)


def comp(picture: Picture, mattes: Sequence[Matte], foreground: Picture | None = None) -> Bytes:
    """The objects over a checker card, (H, W, 3) uint8 RGB.

    Args:
        foreground: (H, W, 3) straight colour in display sRGB; the picture itself, if None.
    """
    height, width = picture.shape[:2]
    clear = np.ones((height, width, 1), np.float32)
    for matte in mattes:
        clear = clear * (1 - np.clip(matte.alpha, 0, 1).astype(np.float32)[..., None])
    colour = picture if foreground is None else foreground
    return as_bytes(colour * (1 - clear) + checker(height, width) * clear)


def as_bytes(picture: npt.NDArray[np.floating]) -> Bytes:
    """0 to 1 as 0 to 255, rounded."""
    return np.asarray(np.clip(picture, 0, 1) * 255 + 0.5, np.uint8)


def cell(
    frame: int, picture: Picture, mattes: Sequence[Matte], confidence: float | None = None
) -> Cell:
    """A frame as a cell, made small at once so that a sheet of a long shot needs little memory."""
    height, width = picture.shape[:2]
    scale = min(1.0, THUMBNAIL / max(width, 1))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [Matte(_shrunk(matte.alpha, size), matte.tint, matte.name) for matte in mattes]
    over = overlay(_shrunk(picture, size), small)
    return Cell(frame, over, matte_picture(small, size[1], size[0]), confidence)


def picked(frames: Sequence[int], most: int = MAX_CELLS) -> list[int]:
    """At most `most` of the frames, evenly spread, with the first and the last."""
    if len(frames) <= most:
        return list(frames)
    if most == 1:
        return [frames[0]]
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]


def contact_sheet(cells: Sequence[Cell], columns: int = 3, title: str = "") -> Bytes:
    """Cells in rows under a title, (H, W, 3) uint8 RGB.

    Each shows overlay and matte side by side, its frame number, and its confidence as a bar.

    Raises:
        ValueError: no cells, or no columns.
    """
    if not cells or columns < 1:
        raise ValueError("a contact sheet needs at least one cell and one column")
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    height = max(c.overlay.shape[0] for c in cells)
    width = max(c.overlay.shape[1] + c.matte.shape[1] + 2 for c in cells)
    across, down = width + _GAP, height + _LABEL + _GAP
    top = _TITLE if title else _GAP
    sheet = np.empty((top + rows * down, _GAP + columns * across, 3), np.uint8)
    sheet[:] = _SHEET
    if title:
        _fitted(sheet, title, (_GAP + 2, 37), sheet.shape[1] - 2 * _GAP, 0.72, _TEXT)
    for index, one in enumerate(cells):
        x = _GAP + (index % columns) * across
        y = top + (index // columns) * down
        _draw_cell(sheet[y : y + height + _LABEL, x : x + width], one)
    return sheet


def write_png(path: Path, picture: Bytes) -> None:
    """Write (H, W, 3) uint8 RGB, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        try:
            temporary.write_bytes(data.tobytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise OutputError(f"{path} cannot be written: {reason}", path=str(path)) from exc


# ---- drawing -------------------------------------------------------------------------


def _shrunk(array: Picture, size: tuple[int, int]) -> Picture:
    if (array.shape[1], array.shape[0]) == size:
        return array.astype(np.float32)
    small = cv2.resize(array.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _outline(out: Bytes, matte: Matte, thickness: float) -> None:
    """The line where alpha is one half, crisp: dark underneath, in the object's colour on top."""
    solid = (matte.alpha >= 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    long = [c for c in contours if len(c) >= 12]
    wide = max(1, round(thickness))
    cv2.polylines(out, long, True, (18, 18, 18), wide + 1, cv2.LINE_AA)
    bright = tuple(round(c + 0.25 * (255 - c)) for c in matte.tint)
    cv2.polylines(out, long, True, bright, wide, cv2.LINE_AA)


def _name(out: Bytes, matte: Matte) -> None:
    """The object's name above it, small, on a dark tag."""
    if not matte.name or out.shape[1] < 160:
        return
    rows, columns = np.where(matte.alpha >= 0.5)
    if not len(rows):
        return
    scale = min(0.9, max(0.36, out.shape[0] / 1500))
    (wide, tall), _ = cv2.getTextSize(matte.name, _FONT, scale, 1)
    pad = max(3, round(tall * 0.45))
    x = int(np.clip((columns.min() + columns.max()) / 2 - wide / 2, pad, out.shape[1] - wide - pad))
    y = int(np.clip(rows.min() - 2.2 * pad, tall + pad + 1, out.shape[0] - pad - 1))
    tag = out[max(0, y - tall - pad) : y + pad, max(0, x - pad) : x + wide + pad]
    tag[:] = (tag * 0.35 + 8).astype(np.uint8)
    cv2.putText(out, matte.name, (x, y), _FONT, scale, matte.tint, 1, cv2.LINE_AA)


def _draw_cell(panel: Bytes, one: Cell) -> None:
    panel[:] = _PANEL
    h, w = one.overlay.shape[:2]
    panel[:h, :w] = one.overlay
    panel[:h, w + 2 : w + 2 + one.matte.shape[1]] = one.matte
    base = panel.shape[0] - 8
    cv2.putText(panel, f"{one.frame:04d}", (8, base), _FONT, 0.5, _TEXT, 1, cv2.LINE_AA)
    if one.confidence is None:
        return
    confidence = float(np.clip(one.confidence, 0, 1))
    left, right, middle = 64, panel.shape[1] - 56, panel.shape[0] - _LABEL // 2
    if right - left < 24:
        return
    colour = _GOOD if confidence >= 0.75 else _FAIR if confidence >= 0.45 else _POOR
    cv2.rectangle(panel, (left, middle - 2), (right, middle + 2), (62, 64, 68), -1)
    end = left + round((right - left) * confidence)
    cv2.rectangle(panel, (left, middle - 2), (end, middle + 2), colour, -1)
    text = f"{confidence * 100:.0f}%"
    cv2.putText(panel, text, (right + 10, base), _FONT, 0.42, _QUIET, 1, cv2.LINE_AA)


def _fitted(
    out: Bytes, text: str, at: tuple[int, int], width: int, scale: float, colour: Tint
) -> None:
    """Text no wider than `width`, smaller if it must be, then shortened."""
    # Hershey fonts know ASCII alone.
    text = text.encode("ascii", "replace").decode()
    while cv2.getTextSize(text, _FONT, scale, 1)[0][0] > width:
        if scale > 0.45:
            scale -= 0.03
        elif len(text) > 4:
            text = text[:-4] + "..."
        else:
            return
    cv2.putText(out, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)
