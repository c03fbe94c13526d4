"""The child process behind `BridgeLink`: many conversations at once over one pair of pipes.

Standard library only, and `airoto.errors`. See `bridge_protocol` for what the lines say.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import queue
import subprocess
import threading
import time
from collections.abc import Generator, Sequence
from typing import Callable

from airoto.errors import (
    AIRotoError,
    ServerUnreachableError,
    TimedOutError,
    error_from_dict,
    error_to_dict,
)
from airoto_client.bridge_protocol import (
    MAX_LINE,
    PROTOCOL,
    decode_line,
    describe_exit,
    encode_line,
    scrubbed_environment,
)
from airoto_client.link import Message

_STOP_TIMEOUT = 5.0
# The bridge keeps the deadline itself; the host waits a little longer, then gives up on it.
_GRACE = 5.0
_TAIL_LINES = 20
_REOPEN = "close this link and open a new one"


class BridgePipe:
    """A running bridge.

    Args:
        command: how to start it.
        start_timeout: seconds within which it must greet.
        silence: seconds without a sign of life after which it is taken for dead.

    Attributes:
        hello: its greeting: `protocol` (number), `version` of AIRoto, `server` (target).
        pid: its process id.

    Raises:
        ServerUnreachableError: it cannot be started; with the tail of what it said.
    """

    def __init__(self, command: Sequence[str], *, start_timeout: float, silence: float) -> None:
        self._silence = silence
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[Message]] = {}
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._said: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._greeting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._gone: Message | None = None  # why, as `error_to_dict` has it
        self._heard = time.monotonic()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=scrubbed_environment(),
                start_new_session=True,  # the host's Ctrl-C is not the bridge's
            )
        except OSError as exc:
            raise ServerUnreachableError(
                f"the AIRoto bridge cannot be started: {' '.join(command)}: {exc.strerror or exc}",
                hint="check where AIRoto is installed; its own `airoto` command is needed",
            ) from exc
        self.pid = self._process.pid
        self._stderr_reader = _start(self._read_stderr)
        self._reader = _start(self._read_answers)
        self._writer = _start(self._write_requests)
        self.hello = self._greet(start_timeout)

    def conversation(
        self, ask: Message, timeout: float | None
    ) -> Generator[Message, None, Message]:
        """Send a request, yield its events, return its result; left early, it is cancelled.

        Raises:
            AIRotoError: what the bridge answered.
            ServerUnreachableError: the bridge is gone, or silent for too long.
            TimedOutError: no result within `timeout` seconds (and a grace).
        """
        number = next(self._ids)
        line = encode_line({"id": number, **ask})
        answers: queue.SimpleQueue[Message] = queue.SimpleQueue()
        with self._lock:
            if self._gone is not None:
                raise error_from_dict(self._gone)
            self._waiting[number] = answers
        self._outbox.put(line)
        deadline = None if timeout is None else time.monotonic() + timeout + _GRACE
        answered = False
        try:
            while True:
                answer = self._next_answer(answers, deadline, timeout)
                if "event" in answer:
                    yield answer["event"]
                    continue
                answered = True
                if "error" in answer:
                    raise error_from_dict(answer["error"])
                result: Message = answer.get("result", {})
                return result
        finally:
            with self._lock:
                self._waiting.pop(number, None)
            if not answered and self._gone is None:
                self._outbox.put(encode_line({"id": number, "op": "cancel"}))

    def close(self) -> None:
        """Fail what is waiting, end the bridge; may be called twice."""
        self._end(ServerUnreachableError("this link is closed"))
        self._outbox.put(None)  # the writer closes the bridge's standard input
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for thread in (self._writer, self._reader, self._stderr_reader):
            thread.join(_STOP_TIMEOUT)

    def _next_answer(
        self,
        answers: queue.SimpleQueue[Message],
        deadline: float | None,
        timeout: float | None,
    ) -> Message:
        """The next line for one request; never waits for a bridge that is gone or silent."""
        while True:
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=0.5)
            if self._gone is not None and answers.empty():
                raise error_from_dict(self._gone)
            now = time.monotonic()
            if deadline is not None and now > deadline:
                raise TimedOutError(f"no answer within {timeout:g} seconds")
            if now - self._heard > self._silence:
                raise ServerUnreachableError(
                    f"the AIRoto bridge has been silent for {now - self._heard:.0f} seconds"
                    + self._tail(),
                    hint=_REOPEN,
                )

    def _greet(self, start_timeout: float) -> Message:
        """Wait for the bridge's first line."""
        try:
            hello = self._greeting.get(timeout=start_timeout)
        except queue.Empty:
            hello = {}
        if hello.get("protocol") == PROTOCOL:
            return hello
        if self._gone is not None:
            message = self._gone["message"]
        elif "protocol" in hello:
            message = f"the AIRoto bridge speaks version {hello['protocol']}, this side {PROTOCOL}"
        else:
            message = f"the AIRoto bridge said nothing for {start_timeout:g} seconds{self._tail()}"
        self.close()
        raise ServerUnreachableError(
            message, hint="check where AIRoto is installed; its own `airoto` command is needed"
        )

    def _read_answers(self) -> None:
        """Hand each line to whoever waits for it, until the pipe ends."""
        pipe = self._process.stdout
        assert pipe is not None
        broken = ""
        while not broken:
            line = pipe.readline(MAX_LINE + 1)
            if not line:
                break
            self._heard = time.monotonic()
            try:
                self._deliver(decode_line(line))
            except AIRotoError as exc:
                broken = f": it sent {exc.message}"
        pipe.close()
        if broken:
            self._process.kill()
        self._stderr_reader.join(_STOP_TIMEOUT)
        how = broken or f": it {describe_exit(self._process.wait())}"
        self._end(
            ServerUnreachableError(f"the AIRoto bridge is gone{how}{self._tail()}", hint=_REOPEN)
        )

    def _deliver(self, message: Message) -> None:
        if "hello" in message:
            self._greeting.put(message["hello"])
            return
        number = message.get("id")
        with self._lock:
            # None: nobody waits for it any more, or it is a sign of life.
            answers = self._waiting.get(number) if isinstance(number, int) else None
        if answers is not None:
            answers.put(message)

    def _read_stderr(self) -> None:
        """Keep the last lines, and keep the pipe from filling up."""
        pipe = self._process.stderr
        assert pipe is not None
        for line in iter(lambda: pipe.readline(4096), b""):
            self._said.append(line.decode("utf-8", "replace").rstrip())
        pipe.close()

    def _write_requests(self) -> None:
        """Write lines on a thread of its own: a bridge that does not read blocks no caller."""
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # the reader tells why it is gone
            for line in iter(self._outbox.get, None):
                pipe.write(line)
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()

    def _end(self, why: ServerUnreachableError) -> None:
        """Let every waiting request fail, and all later ones; the first reason stays."""
        with self._lock:
            if self._gone is None:
                self._gone = error_to_dict(why)
        self._greeting.put({})

    def _tail(self) -> str:
        """What the bridge said last on its standard error, to put behind a message."""
        said = [line for line in self._said if line]
        return "; it said:\n  " + "\n  ".join(said) if said else ""


def _start(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name="airoto-bridge", daemon=True)
    thread.start()
    return thread
