"""The overlay movie: overlay, matte and comp side by side, frame by frame to an MP4."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from airoto.errors import OutputError
from airoto_server.ops.preview import Bytes, Matte, Picture, comp, matte_picture, overlay

# In this order; which one was taken is told by `OverlayMovie.codec`.
_CODECS = ("libx264", "libopenh264", "mpeg4")
MAX_PANEL = 640


class OverlayMovie:
    """Writes a movie frame by frame; memory does not grow with it.

    Use it as a context manager: the file appears when the block ends well, and nothing is left
    if it does not.

    Attributes:
        codec: the encoder taken: `libx264` (H.264) where PyAV has it, else another.
        width, height: of the movie, in pixels, even.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, width: int, height: int, rate: float = 24.0) -> None:
        """For pictures of `width` x `height`; the movie shows three, made smaller if large."""
        if width < 1 or height < 1 or not rate > 0:
            raise ValueError(f"no movie of {width}x{height} at {rate} frames a second")
        scale = min(1.0, MAX_PANEL / width)
        self._panel = (max(2, round(width * scale)), max(2, round(height * scale)))
        self.width = _even(3 * self._panel[0] + 2 * _SEAM)
        self.height = _even(self._panel[1])
        self.codec = next(name for name in _CODECS if name in av.codecs_available)
        self._path = path
        self._frames = 0
        self._temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            # FFmpeg would find out with the first frame only.
            self._temporary.touch(exist_ok=False)
            self._container = av.open(
                str(self._temporary), "w", format="mp4", options={"movflags": "+faststart"}
            )
        except (OSError, av.FFmpegError) as exc:
            raise self._failed(exc) from exc
        frame_rate = Fraction(rate).limit_denominator(1001)
        self._stream = cast(VideoStream, self._container.add_stream(self.codec, rate=frame_rate))
        self._stream.width, self._stream.height = self.width, self.height
        self._stream.pix_fmt = "yuv420p"
        # Told, so that players do not guess by the picture's size.
        context = self._stream.codec_context
        context.color_range = 1  # limited
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.thread_count = 1
        self._stream.options = (
            {"crf": "18", "preset": "veryfast"} if self.codec == "libx264" else {"qscale": "3"}
        )

    def add(
        self, picture: Picture, mattes: Sequence[Matte], foreground: Picture | None = None
    ) -> None:
        """Append a frame.

        Args:
            picture: (H, W, 3) float32 display sRGB, 0 to 1, of the size announced.
            mattes, foreground: as `preview.overlay` and `preview.comp` take them.
        """
        size = self._panel
        small = _sized(picture, size)
        small_mattes = [Matte(_sized(m.alpha, size), m.tint, m.name) for m in mattes]
        colour = None if foreground is None else _sized(foreground, size)
        panels = (
            overlay(small, small_mattes),
            matte_picture(small_mattes, size[1], size[0]),
            comp(small, small_mattes, colour),
        )
        canvas = np.full((self.height, self.width, 3), 27, np.uint8)
        for index, panel in enumerate(panels):
            left = index * (size[0] + _SEAM)
            canvas[: size[1], left : left + size[0]] = panel
        self._encode(canvas)
        self._frames += 1

    def _encode(self, canvas: Bytes) -> None:
        frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
        converted = frame.reformat(
            format="yuv420p",
            dst_colorspace="ITU709",
            src_color_range="JPEG",
            dst_color_range="MPEG",
        )
        try:
            for packet in self._stream.encode(converted):
                self._container.mux(packet)
        except (OSError, av.FFmpegError) as exc:
            raise self._failed(exc) from exc

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            OutputError: it cannot be written, or no frame was added.
        """
        if not self._frames:
            self.discard()
            raise OutputError(f"{self._path} has no frames to show", path=str(self._path))
        try:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._temporary.replace(self._path)
        except (OSError, av.FFmpegError) as exc:
            raise self._failed(exc) from exc
        finally:
            self._temporary.unlink(missing_ok=True)

    def discard(self) -> None:
        """Give up; nothing is left."""
        # It is given up because something failed; that it cannot be finished is no news.
        with contextlib.suppress(OSError, av.FFmpegError):
            self._container.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> OverlayMovie:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _failed(self, exc: Exception) -> OutputError:
        reason = getattr(exc, "strerror", None) or str(exc)
        return OutputError(f"{self._path} cannot be written: {reason}", path=str(self._path))


_SEAM = 2


def _even(length: int) -> int:
    return length + length % 2


def _sized(array: Picture, size: tuple[int, int]) -> Picture:
    if (array.shape[1], array.shape[0]) == size:
        return array.astype(np.float32)
    small = cv2.resize(array.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
