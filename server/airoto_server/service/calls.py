"""How an async gRPC method runs blocking work: in a thread, cancellable, errors translated."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import enum
import logging
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterator,
)
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import islice
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
from airoto.wire.caller import Caller, caller_of
from airoto.wire.status import Status, to_status
from airoto_server.access.people import Person
from airoto_server.scheduler.cancel import Cancel
from airoto_server.service.gate import current_person
from airoto_server.service.outbox import Outbox
from airoto_server.service.record import CallRecord

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Context = grpc.aio.ServicerContext[Any, Any]

# Threads of calls that answer once and of downloads.
_THREADS = 64

# Parts that a thread makes of a download before it hands them over: each time costs as much as
# sending a part.
_PARTS = 4


class Kind(enum.Enum):
    """What a call holds, and how many of them there may be at a time."""

    # Answers once.
    ONCE = 256
    # An upload or download: some megabytes of buffers, whatever its size.
    TRANSFER = 64
    # Counted where renders queue.
    RENDER = 0


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
        self._open: Counter[tuple[Kind, str]] = Counter()

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
            return await self._in_thread(self._pool, partial(work, cancel))

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
        async with self.call(name, context, Kind.RENDER) as (cancel, record):
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
        self,
        name: str,
        context: Context,
        work: Callable[[Cancel], Generator[Answer, None, None]],
        taken: Callable[[], None],
    ) -> AsyncGenerator[Answer, None]:
        """Give what `work(cancel)` yields, made no faster than the client reads.

        A client that takes nothing keeps its room among the transfers until it is gone: gRPC
        cannot take back what it holds to be sent, so their number is what bounds it.

        Args:
            taken: done when all of it has been handed to gRPC, and only then.
        """
        async with self.call(name, context, Kind.TRANSFER) as (cancel, _):
            made = work(cancel)
            # One thread at a time runs it, and none while the client does not read.
            following = partial(self._in_thread, self._pool, lambda: list(islice(made, _PARTS)))
            ahead = following()
            try:
                while items := await asyncio.shield(ahead):
                    ahead = following()
                    for item in items:
                        yield item
                await self._in_thread(self._pool, taken)
            finally:
                cancel.set()
                await asyncio.wait([ahead])
                await self._in_thread(self._pool, made.close)

    @asynccontextmanager
    async def call(
        self, name: str, context: Context, kind: Kind = Kind.ONCE
    ) -> AsyncIterator[tuple[Cancel, CallRecord]]:
        """One call from its begin to its end: written down, stoppable, its error translated."""
        # Pairs of key and value, whatever the type stubs say.
        metadata: Any = context.invocation_metadata() or ()
        person, caller = current_person(), caller_of(metadata)
        if person.name:  # proved, so what the client says does not count
            caller = Caller(caller.request_id, person.name)
        record = CallRecord(name, caller, person=person.name, peer=context.peer())
        record.follow()
        cancel = Cancel(record.caller.client, record.caller.request_id)
        self._running.add(cancel)
        outcome, code = "ok", grpc.StatusCode.OK
        failed: Status | None = None
        try:
            with self._room(kind, person):
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
            outcome, code, failed = error.kind, status.code, status
        finally:
            # Before the answer, so that whoever has it finds it written down.
            self._running.discard(cancel)
            record.log_end(outcome, code.name)
            self._on_call(record, outcome, code.name)
        if failed is not None:
            await context.abort(failed.code, failed.details, failed.trailing_metadata)

    @contextmanager
    def _room(self, kind: Kind, person: Person) -> Iterator[None]:
        """Room for one more call of that kind.

        Raises:
            BusyError: there are too many, of all people or of this one.
        """
        if kind is Kind.RENDER:
            yield
            return
        whole, own = (kind, ""), (kind, f"of {person.name}")
        most = person.calls if kind is Kind.ONCE else person.transfers
        for counted, limit in ((whole, kind.value), (own, most)):
            if self._open[counted] >= limit:
                whose = " of yours" if counted is own else ""
                what = "calls" if kind is Kind.ONCE else "transfers"
                raise BusyError(
                    f"{limit} {what}{whose} are running already",
                    hint="try again in about 2 s",
                    retry_after=2.0,
                )
        self._open[whole] += 1
        self._open[own] += 1
        try:
            yield
        finally:
            self._open[whole] -= 1
            self._open[own] -= 1
            self._open += Counter()  # forgets people with nothing open

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
