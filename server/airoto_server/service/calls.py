"""How an async gRPC method runs blocking work: in a thread, cancellable, errors translated."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import grpc

from airoto.errors import AIRotoError, CancelledError, InternalError, ServerUnreachableError
from airoto.wire.status import to_status
from airoto_server.scheduler.cancel import Cancel

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Context = grpc.aio.ServicerContext[Any, Any]

# Calls that run side by side; the lane decides who has the device.
_THREADS = 64

# Answers that may wait for a client which reads slowly; then the job waits too.
_AHEAD = 16

# Seconds after which a job that waits for a slow client looks whether it is still wanted.
_LOOK_UP = 0.1


class Calls:
    """Runs the blocking side of calls and can stop all of them."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(
            _THREADS, thread_name_prefix="airoto-call"
        )
        self._running: set[Cancel] = set()

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
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def unary(self, context: Context, work: Callable[[Cancel], Answer]) -> Answer:
        """Run `work` in a thread and give its answer; a failure ends the call."""
        cancel = Cancel()
        self._running.add(cancel)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, cancel)
        except asyncio.CancelledError:
            cancel.set()
            raise
        except Exception as exc:
            await abort(context, exc)
            raise
        finally:
            self._running.discard(cancel)

    async def streamed(
        self, context: Context, work: Callable[[Cancel, Callable[[Answer], None]], None]
    ) -> AsyncIterator[Answer]:
        """Run `work(cancel, emit)` in a thread, a bounded number of answers ahead of the client.

        A client that stops reading stops the job at its next answer, where it holds no device.
        """
        cancel = Cancel()
        self._running.add(cancel)
        queue: asyncio.Queue[Answer | BaseException | None] = asyncio.Queue()
        room = threading.Semaphore(_AHEAD)
        loop = asyncio.get_running_loop()

        def emit(item: Answer) -> None:
            while not room.acquire(timeout=_LOOK_UP):
                cancel.check()
            cancel.check()
            loop.call_soon_threadsafe(queue.put_nowait, item)

        def run() -> None:
            end: BaseException | None = None
            try:
                work(cancel, emit)
            except BaseException as exc:  # noqa: BLE001 - handed to the call, which translates it
                end = exc
            loop.call_soon_threadsafe(queue.put_nowait, end)

        running = loop.run_in_executor(self._pool, run)
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    await abort(context, item)
                else:
                    room.release()
                    yield item
        finally:
            cancel.set()
            self._running.discard(cancel)
            await asyncio.shield(running)


async def abort(context: Context, exc: BaseException) -> None:
    """End the call with the status that `exc` stands for; the one seam where faults do."""
    if not isinstance(exc, AIRotoError):
        _log.error("a call failed", exc_info=exc)
        exc = InternalError(
            f"the server failed: {type(exc).__name__}: {exc}", hint="the server's log has the trace"
        )
    elif not isinstance(exc, CancelledError):
        _log.info("refused: %s", exc)
    status = to_status(exc)
    await context.abort(status.code, status.details, status.trailing_metadata)
