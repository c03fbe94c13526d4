"""Decoding in child processes, which a bad file may kill."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from airoto.errors import AIRotoError, FrameUnreadableError, InternalError
from airoto_server.ops.imagefile import MAX_PIXELS, FileInfo, Frame, MaskImage
from airoto_server.ops.matte_file import MatteInfo
from airoto_server.ops.moviefile_info import MovieInfo
from airoto_server.transport.decoder_messages import Request, Result, result_of

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Result)

_START_SECONDS = 60.0
_END_SECONDS = 5.0
_MAX_REPLY = 1 << 24

# glibc keeps a frame's memory for the next frame: to have it mapped and zeroed again costs a fifth
# of what decoding does. Elsewhere these say nothing.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}


class _DiedError(Exception):
    """The child is gone, or was ended; says what happened."""


class _WasDeadError(_DiedError):
    """A process that had answered before is gone, perhaps since before this request."""


class _KilledError(InternalError):
    """A process was killed from outside while it started."""


class Decoder:
    """A pool of decoding processes, started as they are needed. For any number of threads.

    What a child may do to this process is bounded: it has no more than a pipe and a file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        children: int = 2,
        time_limit: float = 60.0,
        memory_limit: int = 16 << 30,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """
        Args:
            folder: for decoded pixels on their way; made with mode 0700 if it is not there.
            children: processes at most, and so files at a time.
            time_limit: seconds that one file may take.
            memory_limit: bytes of address space of one process.
            max_pixels: of one picture; larger ones are refused unread.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._children = children
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        self._max_pixels = max_pixels
        self._idle: list[_Process] = []
        self._alive = 0
        self._restarts = 0
        self._closed = False
        self._changed = threading.Condition()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def probe(self, path: Path, *, label: str = "") -> FileInfo:
        """What an image file is. For errors, see `read_frame`."""
        return self._ask(FileInfo, "probe", path, label)

    def probe_movie(self, path: Path, *, label: str = "") -> MovieInfo:
        """What a movie is. For errors, see `read_frame`."""
        return self._ask(MovieInfo, "probe_movie", path, label)

    def read_frame(self, path: Path, *, layer: str = "", view: str = "", label: str = "") -> Frame:
        """The picture in an image file; see `ops.imagefile.read_frame`.

        Args:
            label: how messages name the file; its path, if empty.

        Raises:
            FrameMissingError: no such file.
            FrameMismatchError: no such layer or view.
            FrameUnreadableError: damaged; or it killed the decoder, took longer than the
                time limit, or more memory than the limit. The next file is read as ever.
            OutOfSpaceError: the server's own folder is full.
        """
        return self._ask(Frame, "frame", path, label, layer=layer, view=view)

    def read_movie_frame(self, path: Path, index: int, *, label: str = "") -> Frame:
        """Picture `index` (from 0) of a movie. For errors, see `read_frame`."""
        return self._ask(Frame, "movie_frame", path, label, index=index)

    def read_mask(self, source: Path | bytes, *, layer: str = "", label: str = "") -> MaskImage:
        """A drawn mask from a file, or from an encoded image in memory.

        Args:
            layer: of a file; empty for the main picture.

        For errors, see `read_frame`.
        """
        if isinstance(source, Path):
            return self._ask(MaskImage, "mask", source, label, layer=layer)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="mask-") as file:
            file.write(source)
            file.flush()
            return self._ask(MaskImage, "mask", Path(file.name), label or "the drawn mask")

    def read_matte_info(self, path: Path, *, label: str = "") -> MatteInfo:
        """Whether a file is a matte of ours, and how made. For errors, see `read_frame`."""
        return self._ask(MatteInfo, "matte_info", path, label)

    def read_matte_alpha(self, path: Path, name: str, *, label: str = "") -> MaskImage:
        """The alpha of an object in a matte of ours; see `ops.matte_file.read_alpha`."""
        return self._ask(MaskImage, "matte_alpha", path, label, layer=name)

    def close(self) -> None:
        """End all processes; those at work end with their file."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._alive -= len(idle)
            self._changed.notify_all()
        for process in idle:
            process.end()

    @property
    def alive(self) -> int:
        """Processes that there are now."""
        return self._alive

    @property
    def restarts(self) -> int:
        """Processes that a file killed, or that had to be ended, so far."""
        return self._restarts

    # ---- asking --------------------------------------------------------------------

    def _ask(self, expected: type[R], op: str, path: Path, label: str, **more: Any) -> R:
        label = label or str(path)
        request = Request(op=op, path=str(path.absolute()), label=label, **more)
        try:
            return self._ask_once(expected, request)
        except _WasDeadError:
            # It may have died while idle (out of memory): not this file's doing, so far.
            logger.info("%s: tried again in another decoder", label)
        except _DiedError as exc:
            raise FrameUnreadableError(f"{label}: {exc}", path=label) from exc
        try:
            return self._ask_once(expected, request)
        except _DiedError as exc:
            raise FrameUnreadableError(f"{label}: {exc}", path=label) from exc

    def _ask_once(self, expected: type[R], request: Request) -> R:
        of_movie = request.op in ("probe_movie", "movie_frame")
        with self._borrowed(request.path if of_movie else "") as process:
            reply = process.exchange(asdict(request), self._time_limit)
            return result_of(reply, process.buffer, expected, max_pixels=self._max_pixels)

    @contextmanager
    def _borrowed(self, movie: str) -> Iterator[_Process]:
        """A process for one request: one that has the movie open, an idle one, a new one."""
        process = self._take(movie)
        try:
            if process is None:
                process = self._started()
            process.movie = movie or process.movie
            yield process
        except (AIRotoError, _DiedError):
            raise
        except BaseException:
            # Interrupted between question and answer: the next answer would be the wrong one.
            if process is not None:
                process.usable = False
            raise
        finally:
            self._give_back(process)

    def _started(self) -> _Process:
        """A new process. One that somebody kills before it said a word has met no file yet, so it
        is started again, once.
        """
        limits = (self._folder, self._memory_limit, self._time_limit, self._max_pixels)
        try:
            return _Process(*limits)
        except _KilledError:
            return _Process(*limits)

    def _take(self, movie: str) -> _Process | None:
        """An idle process, or None where a new one is to be started."""
        with self._changed:
            while True:
                if self._closed:
                    raise InternalError("the decoder is closed")
                for process in [p for p in self._idle if not p.is_running]:
                    self._idle.remove(process)
                    self._alive -= 1
                    self._restarts += 1
                    process.end()
                fitting = [p for p in self._idle if p.movie == movie]
                if fitting or (self._idle and self._alive >= self._children):
                    process = fitting[-1] if fitting else self._idle[0]
                    self._idle.remove(process)
                    return process
                if self._alive < self._children:
                    self._alive += 1
                    return None
                self._changed.wait()

    def _give_back(self, process: _Process | None) -> None:
        with self._changed:
            if process is not None and process.is_running and not self._closed:
                self._idle.append(process)
                process = None
            else:
                self._alive -= 1
                self._restarts += not self._closed
            self._changed.notify()
        if process is not None:
            process.end()


class _Process:
    """One decoding process with its pipes and the file through which pixels come."""

    def __init__(self, folder: Path, memory_limit: int, time_limit: float, max_pixels: int) -> None:
        self.movie = ""
        self._pixels = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `end`
        self._log = tempfile.TemporaryFile(dir=folder, mode="a+b")  # noqa: SIM115
        self.buffer = self._pixels.fileno()
        numbers = (self.buffer, memory_limit, time_limit, max_pixels)
        module = "airoto_server.transport.decoder_child"
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=(self.buffer,),
            # Ctrl-C in the server's terminal is the server's affair.
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder),
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                **_KEEP_MEMORY,
            },
        )
        self._unread = b""
        self._answered = 0
        self.usable = True
        try:
            self._reply(time.monotonic() + _START_SECONDS)
        except (_DiedError, TimeoutError) as exc:
            complaints = self._complaints()
            self.end()
            killed = self._popen.returncode == -signal.SIGKILL and isinstance(exc, _DiedError)
            error = _KilledError if killed else InternalError
            raise error(f"the decoder cannot be started: {complaints}") from exc

    @property
    def is_running(self) -> bool:
        return self.usable and self._popen.poll() is None

    def exchange(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Put a request, wait for the reply.

        Raises:
            _DiedError: the process died or had to be ended.
        """
        assert self._popen.stdin is not None
        self._log.truncate(0)
        try:
            self._popen.stdin.write(json.dumps(request).encode() + b"\n")
            self._popen.stdin.flush()
            reply = self._reply(time.monotonic() + seconds)
        except BrokenPipeError:
            raise self._death() from None
        except TimeoutError:
            raise self._ended(f"took longer than {seconds:g} s to decode") from None
        self._answered += 1
        return reply

    def end(self) -> None:
        """Kill the process and let go of its files."""
        self.usable = False
        self._popen.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in a dead network drive
            self._popen.wait(_END_SECONDS)
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._pixels.close()
        self._log.close()

    def _reply(self, deadline: float) -> dict[str, Any]:
        """The next line of its output."""
        assert self._popen.stdout is not None
        pipe = self._popen.stdout.fileno()
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError
            part = os.read(pipe, 1 << 16)
            if not part:
                raise self._death()
            self._unread += part
            if len(self._unread) > _MAX_REPLY:
                raise self._ended("the decoder went mad on it: endless reply")
        line, self._unread = self._unread.split(b"\n", 1)
        try:
            reply = json.loads(line)
        except ValueError:
            raise self._ended("the decoder went mad on it: reply is no JSON") from None
        assert isinstance(reply, dict)
        return reply

    def _ended(self, why: str) -> _DiedError:
        """End the process, for that reason."""
        self.usable = False
        self._popen.kill()
        return _DiedError(why)

    def _death(self) -> _DiedError:
        """What became of a process that closed its pipe."""
        self.usable = False
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_END_SECONDS)
        code = self._popen.returncode
        if code is not None and code < 0:
            what = f"signal {-code}, {signal.Signals(-code).name}"
        else:
            what = f"exit code {code}"
        logger.warning("the decoder died (%s): %s", what, self._complaints())
        error = _WasDeadError if self._answered else _DiedError
        return error(f"the decoder died on it ({what})")

    def _complaints(self) -> str:
        """The end of what the process and its libraries wrote to standard error."""
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors="replace").strip() or "it said nothing"
