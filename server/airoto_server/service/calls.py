"""How an async gRPC method runs blocking work: in a thread, cancellable, errors translated."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import grpc

from airoto.errors import (
    AIRotoError,
    BusyError,
    CancelledError,
    DeviceMemoryError,
    InternalError,
    ServerUnreachableError,
    TimedOutError,
)
from airoto.wire.caller import caller_of
from airoto.wire.status import to_status
from airoto_server.scheduler.cancel import Cancel
from airoto_server.service.outbox import Outbox
from airoto_server.service.record import CallRecord

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Context = grpc.aio.ServicerContext[Any, Any]

# Threads of calls that answer once, and how many such calls there may be.
_THREADS = 64
_MOST_CALLS = 256

# Told of every call that ends: its record, the outcome and the status code.
OnCall = Callable[[CallRecord, str, str], None]

_END = object()


class Calls:
    """Runs the blocking side of calls and can stop all of them.

    Args:
        jobs: renders that there can be at once, waiting ones too; each has a thread.
        on_call: told of every call that ends.
    """

    def __init__(self, jobs: int, on_call: OnCall = lambda *_: None) -> None:
        self._pool = _pool(_THREADS, "airoto-call")
        # Renders have threads of their own, so that however many wait, a click finds one.
        self._jobs = _pool(jobs + 1, "airoto-job")
        self._on_call = on_call
        self._running: set[Cancel] = set()
        self._once = 0

    @property
    def running(self) -> int:
        """Calls that have not ended."""
        return len(self._running)

    def stop(self) -> None:
        """Tell everything that runs to stop at its next frame."""
        for cancel in tuple(self._running):
            cancel.set(
                ServerUnreachableError(
                    "the server was stopped", hint="start it again; finished frames are kept"
                )
            )

    def close(self) -> None:
        """Stop everything and wait until it has."""
        self.stop()
        for pool in (self._jobs, self._pool):
            pool.shutdown(wait=True, cancel_futures=True)

    async def unary(self, name: str, context: Context, work: Callable[[Cancel], Answer]) -> Answer:
        """Run `work` in a thread and give its answer; a failure ends the call."""
        async with self.call(name, context) as (cancel, _):
            if self._once >= _MOST_CALLS:
                raise BusyError(
                    f"{self._once} calls are running already",
                    hint="try again in about 2 s",
                    retry_after=2.0,
                )
            self._once += 1
            try:
                return await self._in_thread(self._pool, partial(work, cancel))
            finally:
                self._once -= 1

    async def events(
        self,
        name: str,
        context: Context,
        work: Callable[[Cancel, Callable[[Answer], None]], None],
        *,
        latest: Collection[type] = (),
        look: Callable[[CallRecord, Answer], None] = lambda *_: None,
    ) -> AsyncGenerator[Answer, None]:
        """Run `work(cancel, emit)` in a thread, and give what it emits.

        The work never waits for a client that reads slowly or not at all.

        Args:
            latest: classes of answers of which only the newest unread one is kept.
            look: sees every answer as it is emitted, to write down what it tells.
        """
        async with self.call(name, context) as (cancel, record):
            outbox: Outbox[Any] = Outbox(asyncio.get_running_loop(), latest)

            def emit(answer: Answer) -> None:
                cancel.check()
                look(record, answer)
                outbox.put(answer)

            def run() -> None:
                try:
                    work(cancel, emit)
                    outbox.put(_END)
                except BaseException as exc:  # noqa: BLE001 - raised again for the call
                    outbox.put(exc)

            running = self._in_thread(self._jobs, run)
            try:
                while (item := await outbox.get()) is not _END:
                    if isinstance(item, BaseException):
                        raise item
                    yield item
            finally:
                cancel.set()
                await asyncio.shield(running)

    async def parts(
        self, name: str, context: Context, work: Callable[[Cancel], Generator[Answer, None, None]]
    ) -> AsyncGenerator[Answer, None]:
        """Give what `work(cancel)` yields, made no faster than the client reads."""
        async with self.call(name, context) as (cancel, _):
            made = work(cancel)
            # One thread at a time runs it, and none while the client does not read.
            following = partial(self._in_thread, self._pool, partial(next, made, _END))
            ahead: asyncio.Future[Any] = following()
            try:
                while (item := await asyncio.shield(ahead)) is not _END:
                    ahead = following()
                    yield item
            finally:
                cancel.set()
                await asyncio.wait([ahead])
                await self._in_thread(self._pool, made.close)

    @asynccontextmanager
    async def call(self, name: str, context: Context) -> AsyncIterator[tuple[Cancel, CallRecord]]:
        """One call from its begin to its end: written down, stoppable, its error translated."""
        # Pairs of key and value, whatever the type stubs say.
        metadata: Any = context.invocation_metadata() or ()
        record = CallRecord(name, caller_of(metadata))
        record.follow()
        cancel = Cancel(record.caller.client, record.caller.request_id)
        self._running.add(cancel)
        outcome, code = "ok", grpc.StatusCode.OK
        try:
            yield cancel, record
        except (asyncio.CancelledError, GeneratorExit):
            left = context.time_remaining()
            late = left is not None and left <= 0
            outcome = TimedOutError.kind if late else CancelledError.kind
            code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
            cancel.set(TimedOutError("the call's deadline has passed") if late else None)
            raise
        except Exception as exc:  # noqa: BLE001 - the seam where any failure ends a call
            error = translated(exc)
            status = to_status(error)
            outcome, code = error.kind, status.code
            await context.abort(status.code, status.details, status.trailing_metadata)
        finally:
            self._running.discard(cancel)
            record.log_end(outcome, code.name)
            self._on_call(record, outcome, code.name)

    def _in_thread(
        self, pool: concurrent.futures.Executor, work: Callable[[], Answer]
    ) -> asyncio.Future[Answer]:
        run = contextvars.copy_context().run
        return asyncio.get_running_loop().run_in_executor(pool, run, work)


def translated(exc: Exception) -> AIRotoError:
    """The error that a call ends with; the one seam where faults become errors."""
    if isinstance(exc, AIRotoError):
        if not isinstance(exc, CancelledError):
            _log.info("refused: %s", exc)
        return exc
    _log.error("a call failed", exc_info=exc)
    if isinstance(exc, MemoryError):
        return DeviceMemoryError(
            "the machine's memory is not enough for this work",
            hint="render fewer things at a time, or a smaller working size",
        )
    return InternalError(
        f"the server failed: {type(exc).__name__}: {exc}", hint="the server's log has the trace"
    )


def _pool(threads: int, name: str) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix=name)
