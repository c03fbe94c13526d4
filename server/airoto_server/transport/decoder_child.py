"""The process that decodes: reads requests from its standard input, answers on its output.

Started by `decoder.Decoder` alone, as
`python -m airoto_server.transport.decoder_child BUFFER_FD MEMORY SECONDS MAX_PIXELS`.
A damaged file may crash it, fill its memory or keep it busy for ever: it limits itself and
dies alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING

from airoto.errors import AIRotoError, FrameUnreadableError, OutOfSpaceError
from airoto_server.ops import imagefile, matte_file
from airoto_server.transport.decoder_messages import Request, Result, error_reply, reply_with

if TYPE_CHECKING:
    from airoto_server.ops.moviefile import MovieReader

# Should the server be gone, this process must not go on decoding; else the server ends it.
_GRACE_SECONDS = 5


class Child:
    """Answers requests; keeps the last movie open, since its pictures are asked for in turn."""

    def __init__(self, buffer: int, max_pixels: int) -> None:
        self._buffer = buffer
        self._max_pixels = max_pixels
        self._movie: MovieReader | None = None
        self._movie_key: tuple[str, int, int, int] | None = None

    def answer(self, request: Request) -> dict[str, object]:
        """The reply to one request; every error becomes one too."""
        try:
            return reply_with(self._result(request), self._buffer)
        except AIRotoError as exc:
            return error_reply(exc)
        except MemoryError:
            what = "needs more memory than the decoder may use"
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                full = OutOfSpaceError("no space left for decoded pixels in the server's folder")
                return error_reply(full)
            what = f"cannot be read: {exc.strerror}"
        except Exception as exc:  # noqa: BLE001 - whatever a library raises, the file is at fault
            traceback.print_exc()
            what = f"cannot be decoded ({type(exc).__name__}: {exc})"
        label = request.label
        return error_reply(FrameUnreadableError(f"{label}: {what}", path=label))

    def _result(self, request: Request) -> Result:
        path, label = Path(request.path), request.label
        if request.op == "probe":
            return imagefile.probe(path, label=label, max_pixels=self._max_pixels)
        if request.op == "frame":
            return imagefile.read_frame(
                path,
                layer=request.layer,
                view=request.view,
                label=label,
                max_pixels=self._max_pixels,
            )
        if request.op == "mask":
            return imagefile.read_mask(
                path, layer=request.layer, label=label, max_pixels=self._max_pixels
            )
        if request.op == "matte_info":
            return matte_file.inspect(path, label=label)
        if request.op == "matte_alpha":
            return matte_file.read_alpha(path, request.layer)
        movie = self._open_movie(path, label)
        return movie.info if request.op == "probe_movie" else movie.read(request.index)

    def _open_movie(self, path: Path, label: str) -> MovieReader:
        from airoto_server.ops.moviefile import MovieReader  # not needed for stills

        found = path.stat() if path.exists() else None
        key = (str(path), found.st_ino, found.st_size, found.st_mtime_ns) if found else None
        if self._movie is None or key is None or key != self._movie_key:
            if self._movie is not None:
                self._movie.close()
                self._movie = None
            self._movie = MovieReader(path, label=label, max_pixels=self._max_pixels)
            self._movie_key = key
        return self._movie


def limit(memory: int) -> None:
    """Bound this process's memory, and let the kernel take it rather than the server."""
    with contextlib.suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # Linux alone has it
        Path("/proc/self/oom_score_adj").write_text("1000")


def serve(requests: IO[str], replies: IO[str], child: Child, seconds: float) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        signal.alarm(math.ceil(seconds) + _GRACE_SECONDS)
        reply = child.answer(Request(**json.loads(line)))
        signal.alarm(0)
        print(json.dumps(reply), file=replies, flush=True)


def main() -> None:
    buffer, memory, max_pixels = (int(sys.argv[i]) for i in (1, 2, 4))
    seconds = float(sys.argv[3])
    # Libraries print to standard output what they like; replies have a pipe of their own.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    limit(memory)
    print("{}", file=replies, flush=True)
    serve(sys.stdin, replies, Child(buffer, max_pixels), seconds)


if __name__ == "__main__":
    main()
