"""Work beside the main thread: a worker, a queue of events, and a pump on the main thread.

Standard library only, no host. The worker talks to the server and touches no node; what it emits
is handled on the main thread, when `pump` is called there. Cancelling frees the node at once,
whatever the worker is waiting for.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any, Callable

from airoto.errors import AIRotoError, CancelledError, InternalError

Emit = Callable[[Any], None]
Post = Callable[[Callable[[], None]], None]


class Stop:
    """Whether the artist has cancelled; the worker asks between steps."""

    def __init__(self) -> None:
        self._told = threading.Event()

    def set(self) -> None:
        """Ask the worker to stop."""
        self._told.set()

    def check(self) -> None:
        """
        Raises:
            CancelledError: it was asked to stop.
        """
        if self._told.is_set():
            raise CancelledError("cancelled")


Work = Callable[[Emit, Stop], Any]


class Job:
    """One piece of work.

    Args:
        work: runs on the worker thread; what it returns goes to `on_done`.
        on_event: called on the main thread with everything the worker emits, in order.
        on_done: called once, last, on the main thread: the result, or the error.
        post: lets the main thread call something soon; None runs everything in `start`, on
            the caller's thread (terminal mode).
    """

    def __init__(
        self,
        work: Work,
        *,
        on_event: Callable[[Any], None],
        on_done: Callable[[Any, AIRotoError | None], None],
        post: Post | None = None,
    ) -> None:
        self._work = work
        self._on_event = on_event
        self._on_done = on_done
        self._post = post
        self._stop = Stop()
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._over = False

    @property
    def is_running(self) -> bool:
        """Whether `on_done` is still to be called."""
        return not self._over

    def start(self) -> None:
        """Begin; in terminal mode also end."""
        if self._post is None:
            self._run(self._on_event)
            self.pump()
            return
        threading.Thread(target=self._run, args=(self._emit,), name="airoto", daemon=True).start()

    def cancel(self) -> None:
        """On the main thread: give up now; the worker ends when it next looks."""
        self._stop.set()
        self._finish(None, CancelledError("cancelled"))

    def fail(self, error: AIRotoError) -> None:
        """On the main thread: what came cannot be used, so the worker need not go on."""
        self._stop.set()
        self._finish(None, error)

    def pump(self) -> None:
        """On the main thread: handle what the worker has emitted."""
        with contextlib.suppress(queue.Empty):
            while not self._over:
                kind, value = self._events.get_nowait()
                if kind == "event":
                    self._on_event(value)
                elif kind == "result":
                    self._finish(value, None)
                else:
                    self._finish(None, value)

    def _finish(self, result: Any, error: AIRotoError | None) -> None:
        if not self._over:
            self._over = True
            self._on_done(result, error)

    def _emit(self, value: Any) -> None:
        self._put("event", value)

    def _put(self, kind: str, value: Any) -> None:
        self._events.put((kind, value))
        if self._post is not None:
            self._post(self.pump)

    def _run(self, emit: Emit) -> None:
        try:
            result = self._work(emit, self._stop)
        except AIRotoError as exc:
            self._put("error", exc)
        except Exception as exc:  # noqa: BLE001 - the seam: a fault of ours must end the job too
            fault = InternalError(f"a fault of AIRoto: {type(exc).__name__}: {exc}")
            fault.__cause__ = exc
            self._put("error", fault)
        else:
            self._put("result", result)
