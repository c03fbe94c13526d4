"""Ctrl-C and SIGTERM: the first asks to stop cleanly, the second stops at once.

A command runs in a thread of its own, and signals arrive in the main thread, which does
nothing else: an exception that a signal raises inside gRPC can leave a call that never ends.
Asking to stop closes the link, so that whatever waits for the server fails and unwinds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Callable

from airoto.errors import AIRotoError
from airoto_client.exit_codes import ExitCode

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
# A signal is acted on within this time, in seconds.
_LOOK_EVERY = 0.1

Callback = Callable[[], None]


class Stopped(Exception):
    """The command was asked to stop."""


class Stopper:
    """Runs one command so that signals can stop it."""

    def __init__(self) -> None:
        self._asked: ExitCode | None = None
        self._gently: list[Callback] = []
        self._by_force: list[Callback] = []
        self._outcome: ExitCode | BaseException = ExitCode.INTERNAL
        self._done = threading.Event()
        self._told = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self._asked is not None

    @property
    def code(self) -> ExitCode:
        """The exit code of the signal that came."""
        return self._asked or ExitCode.TERMINATED

    def check(self) -> None:
        """Raise Stopped if a signal came."""
        if self.asked:
            raise Stopped

    def wait(self, seconds: float) -> bool:
        """Let time pass; whether a signal came meanwhile."""
        return self._told.wait(seconds)

    @contextlib.contextmanager
    def when_asked(self, callback: Callback) -> Iterator[None]:
        """While the block lasts, the first signal leads to a call of this, in another thread."""
        self._gently.append(callback)
        try:
            self.check()
            yield
        finally:
            self._gently.remove(callback)

    @contextlib.contextmanager
    def when_forced(self, callback: Callback) -> Iterator[None]:
        """While the block lasts, the second signal leads to a call of this before the end."""
        self._by_force.append(callback)
        try:
            yield
        finally:
            self._by_force.remove(callback)

    def run(self, work: Callable[[], ExitCode]) -> ExitCode:
        """Do the work; its exit code, or that of the signal which stopped it.

        Raises:
            whatever the work raised, unless it was stopped.
        """
        worker = threading.Thread(target=self._work, args=(work,), name="command", daemon=True)
        before = {number: signal.signal(number, self._on_signal) for number in _CODES}
        try:
            worker.start()
            told = False
            while not self._done.wait(_LOOK_EVERY):
                if self.asked and not told:
                    told = True
                    self._told.set()
                    for callback in tuple(self._gently):
                        callback()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        outcome = self._outcome
        if self._asked is not None and isinstance(outcome, (AIRotoError, Stopped)):
            return self._asked
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _work(self, work: Callable[[], ExitCode]) -> None:
        try:
            self._outcome = work()
        except BaseException as exc:  # noqa: BLE001 - raised again in the main thread
            self._outcome = exc
        finally:
            self._done.set()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        code = _CODES[signal.Signals(number)]
        if self.asked:
            for callback in tuple(self._by_force):
                callback()
            os._exit(int(code))
        self._asked = code
        if number == signal.SIGINT and sys.stderr.isatty():
            os.write(2, b"\nstopping; press Ctrl-C again to stop at once\n")
