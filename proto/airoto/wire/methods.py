"""The service's methods, taken from its descriptor; no generated gRPC code is used anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from airoto.v1 import service_pb2
from airoto.wire.messages import DownloadResponse, UploadRequest
from airoto.wire.parts import from_wire, to_wire

_SERVICE = service_pb2.DESCRIPTOR.services_by_name["AIRotoService"]

# As health and reflection name it.
SERVICE_NAME: str = _SERVICE.full_name

# What reflection has to know, dependencies first.
FILE_NAMES: tuple[str, ...] = (
    *(file.name for file in service_pb2.DESCRIPTOR.dependencies),
    service_pb2.DESCRIPTOR.name,
)


@dataclass(frozen=True)
class Method:
    """One call of the service.

    Attributes:
        name: as in service.proto (`Render`).
        path: as in HTTP/2 (`/airoto.v1.AIRotoService/Render`).
        request, response: message classes.
        client_streaming, server_streaming: whether requests or responses are many.
    """

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool

    def bind(self, channel: grpc.Channel | grpc.aio.Channel) -> Any:
        """The callable for this method on `channel`, as gRPC makes it.

        It takes a request (an iterable of requests where the client streams) and
        `timeout=` in seconds, and gives a response or an iterator of them. What `Upload`
        takes and `Download` gives are `airoto.wire.parts`.
        """
        factory = getattr(channel, self._arity)
        return factory(
            self.path,
            request_serializer=_writer(self.request),
            response_deserializer=_reader(self.response),
        )

    def handler(self, behaviour: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """`behaviour` (an async method) as gRPC's server wants it."""
        factory = getattr(grpc, f"{self._arity}_rpc_method_handler")
        made: grpc.RpcMethodHandler[Any, Any] = factory(
            behaviour,
            request_deserializer=_reader(self.request),
            response_serializer=_writer(self.response),
        )
        return made

    @property
    def _arity(self) -> str:
        many = {False: "unary", True: "stream"}
        return f"{many[self.client_streaming]}_{many[self.server_streaming]}"


# Messages of one chunk, which travel as `airoto.wire.parts`.
_OF_PARTS: tuple[type[Message], ...] = (UploadRequest, DownloadResponse)


def _writer(message: type[Message]) -> Any:
    return to_wire if message in _OF_PARTS else message.SerializeToString


def _reader(message: type[Message]) -> Any:
    return from_wire if message in _OF_PARTS else message.FromString


def _method(descriptor: MethodDescriptor) -> Method:
    return Method(
        name=descriptor.name,
        path=f"/{SERVICE_NAME}/{descriptor.name}",
        request=message_factory.GetMessageClass(descriptor.input_type),
        response=message_factory.GetMessageClass(descriptor.output_type),
        client_streaming=descriptor.client_streaming,
        server_streaming=descriptor.server_streaming,
    )


METHODS: dict[str, Method] = {
    descriptor.name: _method(descriptor) for descriptor in _SERVICE.methods
}


def generic_handler(implementation: object) -> grpc.GenericRpcHandler[Any, Any]:
    """The service as `grpc.aio.server().add_generic_rpc_handlers((...,))` takes it.

    Args:
        implementation: has an async method `name(request, context)` for every call, an
            async generator where responses are streamed; where requests are streamed,
            `request` is an async iterator.

    Raises:
        TypeError: a method is missing.
    """
    missing = [name for name in METHODS if not callable(getattr(implementation, name, None))]
    if missing:
        raise TypeError(
            f"{type(implementation).__name__} lacks {', '.join(missing)} of {SERVICE_NAME}"
        )
    handlers = {
        name: method.handler(getattr(implementation, name)) for name, method in METHODS.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)
