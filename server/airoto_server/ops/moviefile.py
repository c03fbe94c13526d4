"""Reading movies by picture number, through PyAV (FFmpeg).

Pictures are counted in the order in which they are shown. The container's packets are read
once, without decoding, to know them all; any picture can then be had exactly, in a run or
at random.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame

from airoto.errors import FrameMissingError
from airoto_server.ops.geometry import Window
from airoto_server.ops.imagefile import MAX_PIXELS, Frame
from airoto_server.ops.imagefile_oiio import check_file, unreadable
from airoto_server.ops.moviefile_colour import to_rgb
from airoto_server.ops.moviefile_info import MovieInfo

_CONTAINERS = "mov,matroska,webm,avi,mxf,mpegts"
_MAX_PICTURES = 1_000_000


class MovieReader:
    """One open movie. Not for several threads at once. Use as a context manager, or `close`."""

    def __init__(self, path: Path, *, label: str = "", max_pixels: int = MAX_PIXELS) -> None:
        """Open the movie and count its pictures.

        Args:
            label: name of the file in messages; its path, if empty.
            max_pixels: larger pictures are refused before one is decoded.

        Raises:
            FrameMissingError: no such file.
            FrameUnreadableError: no movie, damaged, without a picture, or too large.
        """
        self._path = path
        self._label = label or str(path)
        self._last: int | None = None
        check_file(path, self._label)
        with self._translated():
            self._open()
            try:
                self._check_size(max_pixels)
                self._times, self._keys = self._index()
                if not self._times:
                    raise unreadable(self._label, "has no pictures")
                self._reopen()
                self.info = self._describe(self._frame(0))
            except BaseException:
                self._container.close()
                raise

    def __enter__(self) -> MovieReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def read(self, index: int) -> Frame:
        """The picture of that number, from 0: float32, 0 to 1, upright.

        Raises:
            FrameMissingError: the movie has fewer.
            FrameUnreadableError: it cannot be decoded.
        """
        if not 0 <= index < len(self._times):
            raise FrameMissingError(
                f"{self._label}: has {len(self._times)} pictures, no number {index + 1}",
                path=self._label,
            )
        with self._translated():
            decoded = self._frame(index)
            if (decoded.width, decoded.height) != self._stored:
                raise unreadable(
                    self._label,
                    f"picture {index + 1} is {decoded.width}x{decoded.height}, "
                    f"the first is {self._stored[0]}x{self._stored[1]}",
                )
            rgb, alpha, notes = to_rgb(decoded, self._label)
        turns = self.info.rotation // 90
        if turns:
            rgb = np.ascontiguousarray(np.rot90(rgb, turns))
            alpha = None if alpha is None else np.ascontiguousarray(np.rot90(alpha, turns))
        return Frame(
            pixels=rgb,
            alpha=alpha,
            window=Window(0, 0, rgb.shape[1], rgb.shape[0]),
            display=self.info.display,
            pixel_aspect=self.info.pixel_aspect,
            notes=notes,
        )

    # ---- opening -------------------------------------------------------------------

    def _open(self) -> None:
        # No playlist, image or network stream is followed, whatever the file says.
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        self._container = av.open(
            str(self._path), mode="r", options=options, metadata_errors="replace"
        )
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self._container.close()
            raise unreadable(self._label, "holds no video that can be decoded")
        self._stream: Any = streams[0]
        self._stream.thread_type = "SLICE"
        self._decoded: Iterator[VideoFrame] = self._container.decode(self._stream)

    def _reopen(self) -> None:
        """Back to the first picture; seeking there does not work in every container."""
        self._container.close()
        self._open()

    def _check_size(self, max_pixels: int) -> None:
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        if width < 1 or height < 1:
            raise unreadable(self._label, f"declares pictures of {width}x{height} pixels")
        if width * height > max_pixels:
            raise unreadable(
                self._label,
                f"declares pictures of {width}x{height} pixels, "
                f"above the limit of {max_pixels} pixels",
            )

    def _index(self) -> tuple[list[int], list[int]]:
        """Times of all pictures and of the key ones, rising, in the stream's time base."""
        entries = self._stream.index_entries
        if 0 < len(entries) == self._stream.frames and all(e.is_keyframe for e in entries):
            # Key pictures only (ProRes): shown in the order of the container's own index,
            # which spares reading a file of many gigabytes.
            shown = sorted({entry.timestamp for entry in entries if not entry.is_discard})
            return shown, shown
        times: list[int] = []
        keys: list[int] = []
        for packet in self._container.demux(self._stream):
            if packet.size == 0 or packet.is_discard:
                continue  # the flush at the end; pictures that an edit list cuts off
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None:
                raise unreadable(self._label, "has pictures without a time stamp")
            times.append(time)
            if packet.is_keyframe:
                keys.append(time)
            if len(times) > _MAX_PICTURES:
                raise unreadable(self._label, f"has more than {_MAX_PICTURES} pictures")
        return sorted(set(times)), sorted(set(keys))

    def _describe(self, first: VideoFrame) -> MovieInfo:
        notes = []
        rotation = round(first.rotation) % 360
        if rotation % 90:
            notes.append(f"the movie asks for a turn by {rotation} degrees, which is left out")
            rotation = 0
        aspect = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        pixel_aspect = float(aspect) if aspect else 1.0
        self._stored = (first.width, first.height)
        display = self._stored
        if rotation in (90, 270):
            display = (first.height, first.width)
            pixel_aspect = 1 / pixel_aspect
        if first.interlaced_frame:
            notes.append("the movie is interlaced; its fields are not separated")
        _, alpha, colour_notes = to_rgb(first, self._label)
        return MovieInfo(
            count=len(self._times),
            rate=float(self._stream.average_rate or 0),
            display=display,
            pixel_aspect=pixel_aspect,
            rotation=rotation,
            codec=self._stream.codec_context.name,
            pixel_format=first.format.name,
            has_alpha=alpha is not None,
            notes=(*notes, *colour_notes),
        )

    # ---- decoding ------------------------------------------------------------------

    def _frame(self, index: int) -> VideoFrame:
        """Decode on from where the last picture was, or from the key picture before."""
        wanted = self._times[index]
        decoded = None
        if self._last is not None and self._last < wanted and not self._key_between(wanted):
            decoded = self._decode_until(wanted)
        else:
            at = bisect.bisect_right(self._keys, wanted) - 1
            if at > 0:
                self._seek(self._keys[at])
                decoded = self._decode_until(wanted)
            if decoded is None:
                # The beginning; or the container seeks by decoding time and landed too late.
                self._reopen()
                decoded = self._decode_until(wanted)
        if decoded is None:
            self._last = None
            raise unreadable(self._label, f"picture {index + 1} cannot be decoded")
        self._last = wanted
        if decoded.is_corrupt:
            raise unreadable(self._label, f"picture {index + 1} is damaged")
        return decoded

    def _decode_until(self, wanted: int) -> VideoFrame | None:
        """The picture of that time, or None if the decoder passes it by."""
        for decoded in self._decoded:
            if decoded.pts is not None and decoded.pts >= wanted:
                return decoded if decoded.pts == wanted else None
        return None

    def _key_between(self, wanted: int) -> bool:
        """Whether there is a key picture to jump to on the way to a picture further on."""
        here = bisect.bisect_right(self._keys, self._last or 0)
        there = bisect.bisect_right(self._keys, wanted)
        return there > here + 1

    def _seek(self, time: int) -> None:
        self._container.seek(time, stream=self._stream, backward=True)
        self._decoded = self._container.decode(self._stream)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """PyAV's errors as errors that name the file."""
        try:
            yield
        except av.error.FFmpegError as exc:
            self._last = None
            raise unreadable(self._label, f"damaged movie: {exc.strerror}") from exc
        except UnicodeDecodeError as exc:
            raise unreadable(self._label, "damaged movie: its header is no text") from exc
        except MemoryError as exc:
            raise unreadable(self._label, "needs more memory than there is to decode it") from exc
