"""Decoded video pictures to RGB in float32.

libswscale only brings planes to one size and layout here; range and matrix are applied in
float32, because its own RGB output is up to one 8-bit step off white (8-bit codes are
shifted, not scaled, into 16 bits).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation

from airoto_server.ops.imagefile_oiio import unreadable

Plane = npt.NDArray[np.float32]

_SCALING = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
# Weights of red and blue in luma (ITU-R BT.709, BT.601, BT.2020, SMPTE 240M, FCC), by
# libavutil's AVColorSpace.
_BT709, _UNSPECIFIED, _BT601 = 1, 2, 6
_LUMA = {
    _BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    _BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_YUV_DEPTHS = (8, 9, 10, 12, 14, 16)
_YUVA_DEPTHS = (8, 9, 10, 12, 16)
# From this height on, a video that does not say is taken to be HD.
_HD_HEIGHT = 720


def to_rgb(frame: VideoFrame, label: str) -> tuple[Plane, Plane | None, tuple[str, ...]]:
    """A picture's colour, its alpha if it has one, and what was assumed.

    Returns:
        (H, W, 3) float32 0..1 in the video's own transfer curve; (H, W) float32 or None.

    Raises:
        FrameUnreadableError: a colour matrix that is not known.
    """
    layout = frame.format
    components = len(layout.components)
    has_alpha = components in (2, 4)
    depth = max(component.bits for component in layout.components)
    if layout.is_rgb or layout.has_palette or components == 2 or "mono" in layout.name:
        rgb, alpha = _rgb(frame, deep=depth > 8, has_alpha=has_alpha or layout.has_palette)
        return rgb, alpha, ()
    full, notes = _is_full_range(frame), []
    if components == 1:
        luma = _unit_luma(_gray(frame, depth), depth, full)
        return np.repeat(np.clip(luma, 0, 1)[:, :, None], 3, axis=2), None, ()
    matrix = int(frame.colorspace)
    if matrix == _UNSPECIFIED:
        matrix = _BT709 if frame.height >= _HD_HEIGHT else _BT601
        name = "BT.709" if matrix == _BT709 else "BT.601"
        notes.append(f"the movie names no colour matrix: {name} is assumed from its size")
    if matrix not in _LUMA:
        raise unreadable(label, f"colour matrix {matrix} is not supported")
    rgb, alpha = _from_yuv(frame, depth, full, _LUMA[matrix], has_alpha)
    return rgb, alpha, tuple(notes)


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _reformatted(frame: VideoFrame, name: str) -> VideoFrame:
    """The same code values in another layout: no change of range or matrix."""
    if frame.format.name == name:
        return frame
    return frame.reformat(
        format=name,
        src_colorspace=_BT709,
        dst_colorspace=_BT709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALING,
    )


def _plane(frame: VideoFrame, index: int, depth: int) -> npt.NDArray[Any]:
    """One plane's code values (H, W), without the padding of its rows."""
    dtype = np.dtype(np.uint8 if depth == 8 else "<u2")
    plane = frame.planes[index]
    rows: npt.NDArray[Any] = np.frombuffer(memoryview(plane), np.uint8).reshape(
        -1, plane.line_size
    )[: plane.height]
    return rows[:, : plane.width * dtype.itemsize].view(dtype)


def _rgb(frame: VideoFrame, *, deep: bool, has_alpha: bool) -> tuple[Plane, Plane | None]:
    name = ("rgba64le" if has_alpha else "rgb48le") if deep else ("rgba" if has_alpha else "rgb24")
    codes = _reformatted(frame, name).to_ndarray()
    values = codes.astype(np.float32) * np.float32(1 / (65535 if deep else 255))
    if not has_alpha:
        return values, None
    alpha = np.ascontiguousarray(values[:, :, 3])
    # A palette always has room for alpha; most do not use it.
    return np.ascontiguousarray(values[:, :, :3]), None if (alpha == 1).all() else alpha


def _gray(frame: VideoFrame, depth: int) -> npt.NDArray[Any]:
    big_endian = frame.format.name.endswith("be")
    return _plane(_reformatted(frame, "gray16le") if big_endian else frame, 0, depth)


def _unit_luma(codes: npt.NDArray[Any], depth: int, full: bool) -> Plane:
    """Luma code values as 0 for black, 1 for white; footroom and headroom kept."""
    step = 1 << (depth - 8)
    black, span = (0, (1 << depth) - 1) if full else (16 * step, 219 * step)
    return (codes.astype(np.float32) - np.float32(black)) * np.float32(1 / span)


def _from_yuv(
    frame: VideoFrame, depth: int, full: bool, luma: tuple[float, float], has_alpha: bool
) -> tuple[Plane, Plane | None]:
    """Y'CbCr to R'G'B' (ITU-R BT.601, 709, 2020, which share the form of the equations)."""
    if depth not in (_YUVA_DEPTHS if has_alpha else _YUV_DEPTHS):
        depth = 16
    suffix = "" if depth == 8 else f"{depth}le"
    frame = _reformatted(frame, f"yuv{'a' if has_alpha else ''}444p{suffix}")
    step = 1 << (depth - 8)
    span = np.float32(1 / (((1 << depth) - 1) if full else 224 * step))
    middle = np.float32(128 * step)
    red_weight, blue_weight = luma
    green_weight = 1 - red_weight - blue_weight
    y = _unit_luma(_plane(frame, 0, depth), depth, full)
    blue_difference = (_plane(frame, 1, depth).astype(np.float32) - middle) * span
    red_difference = (_plane(frame, 2, depth).astype(np.float32) - middle) * span
    rgb = np.empty((*y.shape, 3), np.float32)
    rgb[:, :, 0] = y + np.float32(2 * (1 - red_weight)) * red_difference
    rgb[:, :, 2] = y + np.float32(2 * (1 - blue_weight)) * blue_difference
    rgb[:, :, 1] = (
        y
        - np.float32(2 * (1 - red_weight) * red_weight / green_weight) * red_difference
        - np.float32(2 * (1 - blue_weight) * blue_weight / green_weight) * blue_difference
    )
    np.clip(rgb, 0, 1, out=rgb)
    if not has_alpha:
        return rgb, None
    alpha = _plane(frame, 3, depth).astype(np.float32) * np.float32(1 / ((1 << depth) - 1))
    return rgb, alpha
