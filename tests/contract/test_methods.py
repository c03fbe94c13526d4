"""The service by its descriptor, end to end over a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from airoto.wire import chunks, methods
from airoto.wire.channel import connect, parse_target
from airoto.wire.messages import (
    DownloadRequest,
    EncodedFile,
    FrameResult,
    GetServerInfoRequest,
    GetServerInfoResponse,
    ProvePathRequest,
    RenderRequest,
    RenderResponse,
    UploadResponse,
)
from airoto.wire.parts import Part


class Memory:
    """Keeps uploads in memory; renders as many frames as asked for."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def GetServerInfo(self, request: GetServerInfoRequest, context: Any) -> Any:
        return GetServerInfoResponse(version="0.1.0")

    async def Upload(self, requests: AsyncIterator[Part], context: Any) -> UploadResponse:
        sink = io.BytesIO()
        collector = chunks.Collector(sink, max_bytes=1 << 24)
        async for part in requests:
            collector.add(part)
        header = collector.finish()
        self.kept[header.sha256] = sink.getvalue()
        return UploadResponse(handle=header.sha256, sha256=header.sha256, size=header.size)

    async def Download(self, request: DownloadRequest, context: Any) -> AsyncIterator[Part]:
        data = self.kept[request.handle]
        for part in chunks.chunks_of_bytes(EncodedFile(name="a.exr"), data):
            yield part

    async def Render(self, request: RenderRequest, context: Any) -> AsyncIterator[RenderResponse]:
        for frame in range(request.frames.first, request.frames.last + 1):
            yield RenderResponse(frame=FrameResult(frame=frame))

    async def _nothing(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")

    ProvePath = ProbePlate = Detect = Segment = Matte = GetStatus = _nothing
    AttachRing = DetachRing = TakePlane = PutPlane = ReadMatte = _nothing


def test_every_call_of_the_service_is_listed_with_its_shape() -> None:
    shapes = {
        name: (method.client_streaming, method.server_streaming)
        for name, method in methods.METHODS.items()
    }
    assert shapes == {
        "GetServerInfo": (False, False),
        "ProvePath": (False, False),
        "ProbePlate": (False, False),
        "Upload": (True, False),
        "Download": (False, True),
        "Detect": (False, False),
        "Segment": (False, False),
        "Matte": (False, False),
        "Render": (False, True),
        "GetStatus": (False, False),
        "AttachRing": (False, False),
        "DetachRing": (False, False),
        "TakePlane": (False, False),
        "PutPlane": (False, False),
        "ReadMatte": (False, False),
    }


def test_a_method_knows_its_path_and_messages() -> None:
    method = methods.METHODS["Render"]
    assert method.path == "/airoto.v1.AIRotoService/Render"
    assert method.request is RenderRequest
    assert method.response is RenderResponse


def test_files_for_reflection_stand_after_those_they_import() -> None:
    assert methods.SERVICE_NAME == "airoto.v1.AIRotoService"
    assert methods.FILE_NAMES[-1] == "airoto/v1/service.proto"
    assert "airoto/v1/recipe.proto" in methods.FILE_NAMES


def test_an_implementation_that_lacks_a_call_is_refused() -> None:
    class Half:
        async def Render(self, request: Any, context: Any) -> None: ...

    with pytest.raises(TypeError, match=r"Half lacks GetServerInfo, .*, GetStatus of airoto\.v1"):
        methods.generic_handler(Half())


def test_calls_of_every_shape_work_over_a_unix_socket(serve: Any) -> None:
    data = bytes(range(256)) * 12000

    def upload() -> Iterator[Part]:
        yield from chunks.chunks_of_bytes(EncodedFile(name="plate.1001.exr"), data)

    with connect(serve(Memory())) as channel:
        info = methods.METHODS["GetServerInfo"].bind(channel)(GetServerInfoRequest(), timeout=20)
        assert info.version == "0.1.0"
        kept = methods.METHODS["Upload"].bind(channel)(upload(), timeout=20)
        assert kept.size == len(data)
        assert kept.sha256 == hashlib.sha256(data).hexdigest()
        sink = io.BytesIO()
        collector = chunks.Collector(sink, max_bytes=len(data))
        download = methods.METHODS["Download"].bind(channel)
        for part in download(DownloadRequest(handle=kept.handle), timeout=20):
            collector.add(part)
        assert collector.finish().encoded.name == "a.exr"
        assert sink.getvalue() == data
        request = RenderRequest()
        request.frames.first, request.frames.last = -2, 3
        events = methods.METHODS["Render"].bind(channel)(request, timeout=20)
        assert [event.frame.frame for event in events] == [-2, -1, 0, 1, 2, 3]


def test_calls_work_on_an_asyncio_channel(serve: Any) -> None:
    target = parse_target(serve(Memory()))

    async def call() -> tuple[str, Any]:
        async with grpc.aio.insecure_channel(target.address) as channel:
            info = await methods.METHODS["GetServerInfo"].bind(channel)(GetServerInfoRequest())
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await methods.METHODS["ProvePath"].bind(channel)(ProvePathRequest())
            return info.version, caught.value.code()

    assert asyncio.run(call()) == ("0.1.0", grpc.StatusCode.UNIMPLEMENTED)
