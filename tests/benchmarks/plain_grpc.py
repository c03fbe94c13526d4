"""What AIRoto's transport is compared with: gRPC by itself, in a server process of its own."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import airoto.wire  # noqa: F401 - first, since it sets what gRPC reads when it is imported

# isort: split
import grpc

from airoto.wire.digest import Kind, digest_of, running
from airoto.wire.messages import Chunk

_PART = 1024 * 1024
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def milliseconds(work: Callable[[], object], repeat: int) -> float:
    """Median of so many runs; one more goes before."""
    work()
    times = []
    for _ in range(repeat):
        before = time.perf_counter()
        work()
        times.append((time.perf_counter() - before) * 1000)
    return statistics.median(times)


def one_message(folder: Path, data: bytes, kind: Kind, repeat: int) -> float:
    """Milliseconds of one protobuf `bytes` field there and back: both sides digest and compare,
    the server keeps it in memory, the client ends with a file."""
    with _server(folder, kind) as channel:
        call = channel.unary_unary(
            "/plain/Echo",
            request_serializer=Chunk.SerializeToString,
            response_deserializer=Chunk.FromString,
        )

        def once() -> None:
            digest = digest_of(kind, data)
            answer, trailer = call.with_call(Chunk(data=data), metadata=(("digest", digest),))
            (sent,) = [value for name, value in trailer.trailing_metadata()]
            assert digest_of(kind, answer.data) == sent == digest
            back = folder / "message.raw"
            back.unlink(missing_ok=True)
            back.write_bytes(answer.data)

        return milliseconds(once, repeat)


def bare_streams(folder: Path, data: bytes, repeat: int) -> float:
    """Milliseconds of the same bytes there and back in parts of 1 MiB, two calls, bytes as they
    are: no protobuf, no digest, no file."""
    with _server(folder, Kind.BLAKE3) as channel:
        up = channel.stream_unary("/plain/Up", None, None)
        down = channel.unary_stream("/plain/Down", None, None)

        def once() -> None:
            up(_parts(data))
            assert sum(map(len, down(b""))) == len(data)

        return milliseconds(once, repeat)


def checked_streams(folder: Path, data: bytes, repeat: int) -> float:
    """Milliseconds of the same parts, where both sides digest and compare (BLAKE3), the server
    keeps them in one piece of memory and the client ends with a file: all that has to be done,
    in the plainest way, each part as it comes."""
    with _server(folder, Kind.BLAKE3) as channel:
        up = channel.stream_unary("/plain/UpChecked", None, None)
        down = channel.unary_stream("/plain/DownChecked", None, None)
        back = folder / "checked.raw"

        def sent() -> Iterator[bytes]:
            digest = running(Kind.BLAKE3)
            yield len(data).to_bytes(8, "big")
            for part in _parts(data):
                digest.update(part)
                yield part
            yield digest.hexdigest().encode()

        def once() -> None:
            announced = up(sent()).decode()
            digest = running(Kind.BLAKE3)
            back.unlink(missing_ok=True)
            with back.open("xb") as file:
                for part in down(b""):
                    file.write(part)
                    digest.update(part)
            assert digest.hexdigest() == announced

        return milliseconds(once, repeat)


def _parts(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _PART] for start in range(0, len(data), _PART))


@contextmanager
def _server(folder: Path, kind: Kind) -> Iterator[grpc.Channel]:
    address = f"unix:{folder}/plain.sock"
    process = get_context("spawn").Process(target=_serve, args=(address, kind), daemon=True)
    process.start()
    try:
        with grpc.insecure_channel(address, options=_UNLIMITED) as channel:
            grpc.channel_ready_future(channel).result(60)
            yield channel
    finally:
        process.terminate()
        process.join()


def _serve(address: str, kind: Kind) -> None:
    """The same kind of server as AIRoto's."""
    kept: dict[str, bytes] = {}
    parts: list[bytes] = []

    async def echo(request: Chunk, context: grpc.aio.ServicerContext) -> Chunk:
        announced = dict(context.invocation_metadata())["digest"]
        assert digest_of(kind, request.data) == announced
        kept[announced] = request.data
        context.set_trailing_metadata((("digest", announced),))
        return Chunk(data=kept.pop(announced))

    async def up(stream: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        parts[:] = [part async for part in stream]
        return b""

    async def down(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    plane = bytearray()

    async def up_checked(stream: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        size = int.from_bytes(await anext(stream), "big")
        if len(plane) != size:
            plane[:] = bytes(size)
        view, digest, start = memoryview(plane), running(kind), 0
        async for part in stream:
            if start == size:
                assert digest.hexdigest().encode() == part
                break
            view[start : start + len(part)] = part
            digest.update(part)
            start += len(part)
        return digest.hexdigest().encode()

    async def down_checked(
        request: bytes, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        for start in range(0, len(plane), _PART):
            yield bytes(memoryview(plane)[start : start + _PART])

    async def run() -> None:
        server = grpc.aio.server(options=_UNLIMITED)
        handlers = {
            "Echo": grpc.unary_unary_rpc_method_handler(
                echo,
                request_deserializer=Chunk.FromString,
                response_serializer=Chunk.SerializeToString,
            ),
            "Up": grpc.stream_unary_rpc_method_handler(up),
            "Down": grpc.unary_stream_rpc_method_handler(down),
            "UpChecked": grpc.stream_unary_rpc_method_handler(up_checked),
            "DownChecked": grpc.unary_stream_rpc_method_handler(down_checked),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("plain", handlers),))
        server.add_insecure_port(address)
        await server.start()
        await server.wait_for_termination()

    asyncio.run(run())
