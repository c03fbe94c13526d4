"""A recipe that is in order, and real servers on Unix sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import grpc
import pytest

from airoto.wire import channel, methods
from airoto.wire.messages import (
    Box,
    Colour,
    Format,
    FrameRange,
    Output,
    Plate,
    Point,
    PointLabel,
    Prompt,
    Recipe,
    RotoObject,
    Window,
)

Serve = Callable[..., str]


@pytest.fixture
def recipe() -> Recipe:
    """A recipe without fault: two objects over 100 frames with overscan."""
    hero = RotoObject(id=1, name="hero", colour="#ff8800")
    hero.prompts.append(
        Prompt(
            frame=1001,
            points=[
                Point(x=812.5, y=455, label=PointLabel.POINT_LABEL_POSITIVE),
                Point(x=-60, y=10, label=PointLabel.POINT_LABEL_NEGATIVE),
            ],
        )
    )
    hero.prompts.append(Prompt(frame=1050, box=Box(x_min=10, y_min=20, x_max=300, y_max=400)))
    prop = RotoObject(id=2, name="prop", prompts=[Prompt(frame=1100, text="a red ball")])
    return Recipe(
        version=1,
        name="shot 10",
        plate=Plate(
            path="plates/plate.%04d.exr",
            frames=FrameRange(first=1001, last=1100),
            format=Format(
                width=4096,
                height=2160,
                data_window=Window(x_min=-64, y_min=-64, x_max=4160, y_max=2224),
            ),
            colour=Colour(space="ACEScg"),
        ),
        objects=[hero, prop],
        output=Output(path="mattes/hero.%04d.exr", trimap=True),
    )


class _Server:
    """A grpc.aio server on its own thread, as the real one runs it."""

    def __init__(self, address: str, implementation: object, options: list[channel.Option]) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(address, implementation, options))
        )
        self._thread.start()
        assert self._started.wait(20)

    async def _serve(
        self, address: str, implementation: object, options: list[channel.Option]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = grpc.aio.server(options=options)
        handler: Any = methods.generic_handler(implementation)
        server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(address)
        await server.start()
        self._started.set()
        await self._stop.wait()
        await server.stop(0)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves an implementation on a Unix socket until the test ends; gives the target."""
    running: list[_Server] = []

    def start(implementation: object, options: list[channel.Option] | None = None) -> str:
        target = channel.parse_target(f"unix:{tmp_path / f's{len(running)}.sock'}")
        server_options = channel.server_options() if options is None else options
        running.append(_Server(target.address, implementation, server_options))
        return str(target)

    yield start
    for server in running:
        server.stop()
