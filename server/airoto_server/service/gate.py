"""Who is let in: every call is judged before anything of it is read.

Nobody without proof learns anything: whatever they call, whether it exists or not, and whatever
was wrong with their proof, the answer is the same.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from airoto.errors import UnauthenticatedError
from airoto.wire.access import SCHEME, TOKEN_KEY
from airoto_server.access.people import OWNER, People, Person
from airoto_server.service.audit import Audit

# All that somebody without proof is told.
REFUSAL = "credentials are needed"

# Seconds in which the request of a call has to be there.
REQUEST_SECONDS = 30.0

# Of two tokens that could be in one header, none counts.
_LONGEST = 1024

# A named tuple at run time, which the stubs do not know.
Handler = Any

_person: contextvars.ContextVar[Person | None] = contextvars.ContextVar("person", default=None)


class Door(Protocol):
    """How callers prove who they are.

    Attributes:
        certificates: whether the connection has something to say.
    """

    @property
    def certificates(self) -> bool: ...

    def by_token(self, token: str) -> Person | None:
        """Whose token it is (empty: there was none); None: they stay outside."""
        ...

    def by_connection(self, person: Person, context: Any) -> Person | None:
        """Who it is once the connection is known; None: they stay outside."""
        ...


class OwnersDoor:
    """A Unix socket in a folder of mode 0700: whoever reaches it is its owner (or root)."""

    certificates = False

    def by_token(self, token: str) -> Person | None:
        """See `Door`."""
        return OWNER

    def by_connection(self, person: Person, context: Any) -> Person | None:
        """See `Door`."""
        return person


@dataclass(frozen=True)
class StartDoor(OwnersDoor):
    """A loopback port: whoever can read the server's start token is its owner (or root)."""

    fits: Callable[[str], bool]

    def by_token(self, token: str) -> Person | None:
        """See `Door`."""
        return OWNER if self.fits(token) else None


@dataclass(frozen=True)
class StudioDoor:
    """TLS with a token, a certificate, or both, which then have to agree.

    Attributes:
        name_of: whose token it is; None: no tokens are asked for, only certificates.
        counts: whether a client's certificate (PEM), which the studio's CA signed, counts at this
            moment; None: none is asked for.
    """

    people: People
    name_of: Callable[[str], str | None] | None
    counts: Callable[[bytes], bool] | None

    @property
    def certificates(self) -> bool:
        """See `Door`."""
        return self.counts is not None

    def by_token(self, token: str) -> Person | None:
        """See `Door`."""
        if self.name_of is None:
            return Person()  # the certificate tells, once it can be seen
        name = self.name_of(token)
        return None if name is None else self.people.find(name)

    def by_connection(self, person: Person, context: Any) -> Person | None:
        """See `Door`."""
        if self.counts is None:
            return person
        shown = [one.decode("utf-8", "replace") for one in _told(context, "x509_common_name")]
        files = list(_told(context, "x509_pem_cert"))
        if len(files) != 1 or not self.counts(files[0]):
            return None
        if len(shown) != 1 or (self.name_of is not None and shown[0] != person.name):
            return None
        return self.people.find(shown[0])


def _told(context: Any, what: str) -> Iterable[bytes]:
    """What the connection says of a client's certificate."""
    found: dict[str, Iterable[bytes]] = context.auth_context()
    return found.get(what, ())


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # no generic at run time
    """Stands before all services: AIRoto's, health, reflection, and what does not exist."""

    def __init__(self, door: Door, audit: Audit) -> None:
        self._door = door
        self._audit = audit

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Judge by the token; see to it that a request comes."""
        details: Any = handler_call_details
        person = self._door.by_token(token_in(details.invocation_metadata or ()))
        if person is None:
            self._audit.refused(details.method)
            return _REFUSING
        _person.set(person)
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if not handler.request_streaming:
            handler = _prompt(handler)
        return _judged(handler, self._judge) if self._door.certificates else handler

    async def _judge(self, context: Any) -> None:
        """Judge by the connection, which only a handler sees."""
        person = _person.get()
        found = None if person is None else self._door.by_connection(person, context)
        if found is None:
            self._audit.refused("a certificate")
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)
        _person.set(found)


def current_person() -> Person:
    """Whose call this task, or a thread with its context, works for.

    Raises:
        UnauthenticatedError: nobody's.
    """
    person = _person.get()
    if person is None:
        raise UnauthenticatedError(REFUSAL)
    return person


def token_in(metadata: Iterable[tuple[str, Any]]) -> str:
    """The token that came with a call; empty where there is none, or more than one."""
    found = [value for key, value in metadata if key == TOKEN_KEY]
    if len(found) != 1 or not isinstance(found[0], str) or len(found[0]) > _LONGEST:
        return ""
    return found[0][len(SCHEME) :] if found[0].startswith(SCHEME) else ""


async def _refuse(requests: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)


# It fits every method: streams are not read before they are refused.
_REFUSING: Handler = grpc.stream_stream_rpc_method_handler(_refuse)


def _prompt(handler: Handler) -> Handler:
    """The same handler, ended if its request does not come."""
    task = asyncio.current_task()
    assert task is not None
    timer = asyncio.get_running_loop().call_later(REQUEST_SECONDS, task.cancel)
    task.add_done_callback(lambda _: timer.cancel())
    read = handler.request_deserializer

    def arrived(data: bytes) -> Any:
        timer.cancel()
        return data if read is None else read(data)

    return handler._replace(request_deserializer=arrived)


def _judged(handler: Handler, judge: Callable[[Any], Awaitable[None]]) -> Handler:
    """The same handler, which judges the connection first."""
    if handler.response_streaming:
        name = "stream_stream" if handler.request_streaming else "unary_stream"
        stream = getattr(handler, name)

        async def streamed(request: Any, context: Any) -> Any:
            await judge(context)
            return await stream(request, context)

        async def yielded(request: Any, context: Any) -> Any:
            await judge(context)
            async for answer in stream(request, context):
                yield answer

        made = yielded if inspect.isasyncgenfunction(stream) else streamed
    else:
        name = "stream_unary" if handler.request_streaming else "unary_unary"
        unary = getattr(handler, name)

        async def made(request: Any, context: Any) -> Any:
            await judge(context)
            return await unary(request, context)

    return handler._replace(**{name: made})
