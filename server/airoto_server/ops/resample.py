"""Between a plate's pixels and the picture that an engine sees, at any scale.

Shrinking averages exactly over each new pixel's area, enlarging interpolates between pixel
centres; both are done an axis at a time by weights, so grids need not end on whole pixels.
Pixel centres lie at .5 on either grid: nothing moves. A linear ramp stays the same ramp when
enlarged or shrunk by a whole number, and to within an eighth of an old pixel's step else.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from airoto_server.ops.colour import Colour
from airoto_server.ops.geometry import Window, Working, place, scale_window
from airoto_server.ops.nonzero import box_of
from airoto_server.ops.parallel import ordered_map

Picture = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]

# Rows of a picture that are made at once: fixed, so that threads cannot change the answer.
_BAND = 64


def shrink(array: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """Area average, as cv2.INTER_AREA, onto a grid that is not larger on either axis.

    Args:
        array: (H, W) or (H, W, C), float32 or uint8 (rounded); both ends of the grids meet.

    Raises:
        ValueError: the new size is larger, or empty.
    """
    if not (0 < width <= array.shape[1] and 0 < height <= array.shape[0]):
        raise ValueError(f"cannot shrink {array.shape[1]}x{array.shape[0]} to {width}x{height}")
    resized = _apply(array, *_axes(array, width, height))
    return np.rint(resized).astype(np.uint8) if array.dtype == np.uint8 else resized


def grow(
    array: npt.NDArray[Any], width: int, height: int, *, smooth: bool = False
) -> npt.NDArray[np.float32]:
    """Interpolation onto a grid that is not smaller on either axis.

    Args:
        array: (H, W) or (H, W, C); both ends of the grids meet.
        smooth: cubic (Catmull-Rom) and clipped to 0 to 1, for probabilities; else linear.

    Raises:
        ValueError: the new size is smaller.
    """
    if width < array.shape[1] or height < array.shape[0]:
        raise ValueError(f"cannot grow {array.shape[1]}x{array.shape[0]} to {width}x{height}")
    resized = _apply(array, *_axes(array, width, height, smooth=smooth))
    return np.clip(resized, 0.0, 1.0, out=resized) if smooth else resized


def to_picture(
    frame_pixels: npt.NDArray[Any],
    frame_window: Window,
    scale_of_file: float,
    working: Working,
    colour: Colour,
    threads: int = 1,
) -> Picture:
    """The picture that engines see of a frame.

    Args:
        frame_pixels: (H, W, 3) float16 or float32 in the plate's colour space.
        frame_window: what they cover, in pixels of the file; what they leave of the plate's data
            window is black, what they have beyond it is left out.
        scale_of_file: 1 for the plate, 0.5 for a half-size proxy.
        threads: 0 means the default; the answer does not depend on it.

    Returns:
        (working.height, working.width, 3) float32, display-referred sRGB, 0 to 1.

    Raises:
        ColourError: from the conversion.
        ValueError: pixels and window disagree.
    """
    if frame_pixels.shape != (frame_window.height, frame_window.width, 3):
        raise ValueError(f"pixels of shape {frame_pixels.shape} do not cover {frame_window}")
    if shows_plate(frame_window, scale_of_file, working):
        return colour.to_display(frame_pixels, threads)
    data = scale_window(working.format.data, scale_of_file)
    picture = working.window
    rows, columns = _to_picture(scale_of_file, working)
    made = np.empty((picture.height, picture.width, 3), np.float32)

    def band(top: int) -> None:
        weights = rows[top : top + _BAND]
        first, last = int(weights.indices.min()), int(weights.indices.max()) + 1
        needed = Window(data.x_min, data.y_min + first, data.x_max, data.y_min + last)
        held = needed.intersect(frame_window)
        # Colour first, size second. Averaging scene-linear light first costs less, but a highlight
        # then bleeds over its neighbours before the view tames it, and the JPEG of the same
        # plate, whose pixels went through the view at full size, gives another picture.
        # Measured on six photographs with highlights, 1080p to 640, against a quality-95 JPEG,
        # in 1/255: mean 0.6 and at most 19 this way, mean 1.0 and up to 168 the other.
        shown = colour.to_display(frame_pixels[held.slices(frame_window)])
        made[top : top + _BAND] = _apply(
            place(shown, held, needed), weights[:, first:last], columns
        )

    ordered_map(band, range(0, picture.height, _BAND), threads)
    return made


def shows_plate(frame_window: Window, scale_of_file: float, working: Working) -> bool:
    """Whether a frame's picture is its pixels one by one, in colours that engines see."""
    return frame_window == scale_window(working.format.data, scale_of_file) and all(
        _is_identity(weights) for weights in _to_picture(scale_of_file, working)
    )


def mask_to_plate(
    mask: Mask,
    working: Working,
    window: Window,
    scale: float = 1.0,
    dtype: npt.DTypeLike = np.float32,
) -> npt.NDArray[Any]:
    """An engine's mask in plate pixels, smoothly enlarged.

    Args:
        mask: (working.height, working.width) float32, 0 to 1.
        window: the plate pixels wanted; beyond the picture its border goes on.
        scale: where `window` counts pixels of a file of that scale (0.5: a half-size proxy).
        dtype: float32 or float16, of the result.

    Returns:
        (window.height, window.width), 0 to 1.
    """
    if mask.shape != (working.height, working.width):
        raise ValueError(
            f"a mask of shape {mask.shape} is not of this {working.width}x{working.height} picture"
        )
    picture = working.window
    rows = _weights(
        picture.height,
        window.height,
        scale / working.scale_y,
        picture.y_min,
        window.y_min,
        smooth=True,
    )
    columns = _weights(
        picture.width,
        window.width,
        scale / working.scale_x,
        picture.x_min,
        window.x_min,
        smooth=True,
    )
    placed = np.zeros((window.height, window.width), dtype)
    # Most masks are empty but for a box, and what no pixel of it reaches stays so.
    from_rows, from_columns = box_of(mask != 0).slices(Window.sized(mask.shape[1], mask.shape[0]))
    if from_rows.start == from_rows.stop:
        return placed
    rows, columns = rows[:, from_rows], columns[:, from_columns]
    to_rows, to_columns = _span(np.diff(rows.indptr) > 0), _span(np.diff(columns.indptr) > 0)
    box = _apply(mask[from_rows, from_columns], rows[to_rows], columns[to_columns])
    placed[to_rows, to_columns] = np.clip(box, 0.0, 1.0, out=box)
    return placed


def mask_to_picture(mask: Mask, window: Window, working: Working, scale: float = 1.0) -> Mask:
    """A mask in plate pixels as engines see it, area-averaged.

    Args:
        mask: (window.height, window.width) float32, 0 to 1.
        window: what it covers; beyond it the mask is 0.
        scale: where `window` counts pixels of a file of that scale.

    Returns:
        (working.height, working.width) float32, 0 to 1.
    """
    data = scale_window(working.format.data, scale)
    placed = _apply(place(mask, window, data), *_to_picture(scale, working))
    return np.clip(placed, 0.0, 1.0, out=placed)


def _span(wanted: npt.NDArray[np.bool_]) -> slice:
    """From the first that is wanted to the last."""
    hits = np.flatnonzero(wanted)
    return slice(int(hits[0]), int(hits[-1]) + 1) if len(hits) else slice(0, 0)


def _to_picture(scale: float, working: Working) -> tuple[sparse.csr_array, sparse.csr_array]:
    """How the pixels of a plate's file of that scale make up the picture."""
    data, picture = scale_window(working.format.data, scale), working.window
    return (
        _weights(data.height, picture.height, working.scale_y / scale, data.y_min, picture.y_min),
        _weights(data.width, picture.width, working.scale_x / scale, data.x_min, picture.x_min),
    )


def _axes(
    array: npt.NDArray[Any], width: int, height: int, *, smooth: bool = False
) -> tuple[sparse.csr_array, sparse.csr_array]:
    high, wide = array.shape[:2]
    return (
        _weights(high, height, height / high, smooth=smooth),
        _weights(wide, width, width / wide, smooth=smooth),
    )


@functools.lru_cache(maxsize=64)
def _weights(
    size: int,
    new_size: int,
    scale: float,
    start: int = 0,
    new_start: int = 0,
    *,
    smooth: bool = False,
) -> sparse.csr_array:
    """How pixels along one axis make up the pixels of a new grid: (new_size, size), rows sum to 1.

    Old pixel i covers start + i to start + i + 1; position p there is p * scale on the new grid,
    whose pixels begin at `new_start`. Beyond its ends the old axis goes on as it ends. Kept for the
    next frame, so nobody may change it.
    """
    cells = np.arange(new_size + 1, dtype=np.float64) + new_start
    if scale < 1.0:
        # The share of each old pixel in each new one, by where their ends lie.
        ends = np.clip(cells / scale - start, 0.0, size)
        # A new pixel wholly beyond the end takes the last old one.
        low = np.minimum(ends[:-1], size - 1.0)
        high = np.maximum(ends[1:], np.minimum(low + 1.0, 1.0))
        high = np.where(ends[1:] - ends[:-1] > 1e-9, ends[1:], high)
        first = np.floor(low + 1e-9).astype(np.int64)
        taps = int(np.ceil(1.0 / scale)) + 2
        indices = first[:, None] + np.arange(taps)
        values = np.minimum(indices + 1, high[:, None]) - np.maximum(indices, low[:, None])
        values = np.where(values > 1e-9, values, 0.0)
    else:
        centres = (cells[:-1] + 0.5) / scale - start - 0.5
        base = np.floor(centres + 1e-9)
        t = np.maximum(centres - base, 0.0)[:, None]
        if smooth:
            offsets = np.arange(-1, 3)
            values = np.concatenate(
                [
                    ((-0.5 * t + 1.0) * t - 0.5) * t,
                    (1.5 * t - 2.5) * t * t + 1.0,
                    ((-1.5 * t + 2.0) * t + 0.5) * t,
                    (0.5 * t - 0.5) * t * t,
                ],
                axis=1,
            )
        else:
            offsets = np.arange(2)
            values = np.concatenate([1.0 - t, t], axis=1)
        indices = base.astype(np.int64)[:, None] + offsets
    values = values / values.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(new_size), indices.shape[1])
    kept = values.ravel() != 0.0
    matrix = sparse.coo_array(
        (
            values.ravel()[kept].astype(np.float32),
            (rows[kept], np.clip(indices.ravel(), 0, size - 1)[kept]),
        ),
        shape=(new_size, size),
    )
    return matrix.tocsr()


def _apply(
    array: npt.NDArray[Any], rows: sparse.csr_array, columns: sparse.csr_array
) -> npt.NDArray[np.float32]:
    """Both axes of (H, W) or (H, W, C) through their weights."""
    high, wide = array.shape[:2]
    channels = array.shape[2:]
    down = np.ascontiguousarray(array, np.float32).reshape(high, -1)
    if not _is_identity(rows):
        down = rows @ down
    if _is_identity(columns):
        return np.array(down).reshape(rows.shape[0], wide, *channels)
    turned = np.swapaxes(down.reshape(rows.shape[0], wide, *channels), 0, 1)
    across = columns @ np.ascontiguousarray(turned).reshape(wide, -1)
    out = np.swapaxes(across.reshape(columns.shape[0], rows.shape[0], *channels), 0, 1)
    return np.ascontiguousarray(out)


def _is_identity(weights: sparse.csr_array) -> bool:
    size = weights.shape[0]
    return bool(
        weights.shape == (size, size)
        and weights.nnz == size
        and np.array_equal(weights.indices, np.arange(size))
        and np.all(weights.data == 1.0)
    )
