"""A small real server of the service, for tests of the client: no engines, no decoding.

It is a process of its own, so that it can be killed. What it is asked to do wrong stands in
the recipe's name: `fail:busy` fails with that kind, `die:1003` kills itself before that frame,
`slow` waits before each frame.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import itertools
import json
import os
import signal
import sys
from pathlib import Path

import grpc

from airoto.errors import (
    AIRotoError,
    BadRequestError,
    BusyError,
    HandleUnknownError,
    Violation,
    all_kinds,
)
from airoto.sequence import Pattern
from airoto.wire import messages as pb
from airoto.wire.channel import parse_target, server_options
from airoto.wire.chunks import Collector, chunks_of_bytes
from airoto.wire.methods import generic_handler
from airoto.wire.recipe import recipe_hash
from airoto.wire.status import to_status

# A PNG of one pixel is not needed: the client never looks into a picture.
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5000


class Toy:
    """Implements every method with as little as tests need."""

    def __init__(self, hidden: list[str], journal: Path) -> None:
        self._hidden = hidden
        self._journal = journal
        self._numbers = itertools.count(1)
        self._kept: dict[str, tuple[bytes, object]] = {}

    def _note(self, text: str) -> None:
        with self._journal.open("a") as file:
            file.write(text + "\n")

    def _keep(self, data: bytes, content: object) -> str:
        handle = f"handle-{next(self._numbers)}"
        self._kept[handle] = (data, content)
        return handle

    async def GetServerInfo(self, request, context):
        engine = pb.EngineInfo(
            name="null",
            role=pb.EngineRole.ENGINE_ROLE_SEGMENTER,
            description="instant",
            available=True,
            is_default=True,
            licence="Apache-2.0",
            commercial_use=True,
        )
        return pb.GetServerInfoResponse(
            version="0.0.toy",
            pid=os.getpid(),
            devices=[pb.Device(name="cpu", description="a toy", memory_bytes=2**40)],
            engines=[engine],
            limits=pb.Limits(max_upload_bytes=50_000_000),
        )

    async def AttachRing(self, request, context):
        await _abort(context, BadRequestError("a toy has no use for a ring"))

    DetachRing = TakePlane = PutPlane = ReadMatte = AttachRing

    async def GetStatus(self, request, context):
        return pb.GetStatusResponse(version="0.0.toy", pid=os.getpid())

    async def ProvePath(self, request, context):
        if any(request.path.startswith(folder) for folder in self._hidden):
            return pb.ProvePathResponse(visible=False, reason="not on this machine")
        try:
            data = Path(request.path).read_bytes()
        except OSError as exc:
            return pb.ProvePathResponse(visible=False, reason=str(exc.strerror))
        part = data[request.offset : request.offset + request.length]
        return pb.ProvePathResponse(
            visible=True, size=len(data), sha256=hashlib.sha256(part).hexdigest()
        )

    async def ProbePlate(self, request, context):
        plate = pb.Plate()
        plate.CopyFrom(request.plate)
        frames = [one.frame for one in request.uploads]
        self._note(f"probe uploads={sorted(frames)}")
        frames = frames or Pattern.parse(plate.path).frames_on_disk() or [1]
        plate.frames.CopyFrom(pb.FrameRange(first=min(frames), last=max(frames)))
        plate.format.CopyFrom(pb.Format(width=1920, height=1080, pixel_aspect=1))
        plate.colour.space = plate.colour.space or "ACEScg"
        return pb.ProbePlateResponse(plate=plate, notes=["colour space ACEScg was assumed"])

    async def Upload(self, requests, context):
        sink = io.BytesIO()
        collector = Collector(sink, max_bytes=50_000_000)
        try:
            async for part in requests:
                collector.add(part)
            header = collector.finish()
        except AIRotoError as exc:
            await _abort(context, exc)
        content = getattr(header, header.WhichOneof("content"))
        handle = self._keep(sink.getvalue(), content)
        self._note(f"upload {getattr(content, 'name', 'plane')} {header.size}")
        return pb.UploadResponse(handle=handle, sha256=header.sha256, size=header.size)

    async def Download(self, request, context):
        if request.handle not in self._kept:
            await _abort(context, HandleUnknownError(f"there is nothing behind {request.handle!r}"))
        data, content = self._kept[request.handle]
        if getattr(content, "name", "") == "cut.png":
            yield next(iter(chunks_of_bytes(content, data)))
            return
        wrong = "0" * 64 if getattr(content, "name", "") == "wrong.png" else ""
        for part in chunks_of_bytes(content, data, known=wrong):
            yield part
        if request.release:
            del self._kept[request.handle]

    async def Detect(self, request, context):
        await self._misbehave(request.recipe.name, context)
        detect = request.recipe.detect
        self._note(f"detect {detect.text!r} on {detect.frame}")
        if "unicorn" in detect.text:
            return pb.DetectResponse(phrases_not_found=["unicorn"])
        response = pb.DetectResponse()
        response.objects.add(
            object_id=1,
            name="person_1",
            phrase="person",
            words="person",
            score=0.9,
            box=pb.Box(x_min=10, y_min=20, x_max=30.5, y_max=60),
        )
        return response

    async def Segment(self, request, context):
        await self._misbehave(request.recipe.name, context)
        self._note(f"segment {request.frame}")
        response = pb.SegmentResponse()
        for item in request.recipe.objects:
            entry = response.objects.add(object_id=item.id)
            for score in (0.9, 0.6):
                handle = self._keep(PICTURE, pb.EncodedFile(name="mask.png"))
                entry.candidates.add(mask_handle=handle, score=score, area=100)
        return response

    async def Matte(self, request, context):
        self._note(f"matte guide={request.WhichOneof('guide')}")
        picture = pb.EncodedFile(name="alpha.exr")
        return pb.MatteResponse(
            alpha_handle=self._keep(PICTURE, picture),
            foreground_handle=self._keep(PICTURE, picture) if request.foreground else "",
            notes=[] if request.WhichOneof("guide") else ["no subject was found"],
        )

    async def Render(self, request, context):
        whole = False

        def note_end(_context) -> None:
            if not whole:
                self._note("render cancelled")

        context.add_done_callback(note_end)
        async for response in self._render(request, context):
            yield response
        whole = True

    async def _render(self, request, context):
        recipe = request.recipe
        await self._misbehave(recipe.name, context)
        span = request.frames if request.HasField("frames") else recipe.plate.frames
        frames = range(span.first, span.last + 1)
        digest = recipe_hash(recipe)
        self._note(
            f"render {span.first}-{span.last} delivery={request.delivery} "
            f"uploads={len(request.uploads)} threads={recipe.processing.threads} "
            f"overwrite={recipe.output.overwrite}"
        )
        plan = pb.RenderPlan(recipe_hash=digest, frames_to_deliver=len(frames))
        yield pb.RenderResponse(plan=plan)
        yield pb.RenderResponse(warning=pb.Warning(message="this is a toy", frame=span.first))
        mark = json.dumps({"airoto": {"recipe_hash": digest}}, separators=(",", ":"))
        data = b"\x76\x2f\x31\x01airoto/provenance\0" + mark.encode() + os.urandom(1000)
        for done, frame in enumerate(frames):
            if recipe.name == "slow":
                await asyncio.sleep(0.2)
            if recipe.name == f"die:{frame}":
                sys.stderr.write("the toy dies\n")
                sys.stderr.flush()
                await asyncio.sleep(0.3)  # what was sent arrives
                os.kill(os.getpid(), signal.SIGKILL)
            result = pb.FrameResult(frame=frame, status=pb.FrameStatus.FRAME_STATUS_DONE)
            result.objects.add(object_id=1, confidence=0.5, area=10)
            if request.delivery == pb.Delivery.DELIVERY_HANDLES:
                result.handle = self._keep(data, pb.EncodedFile(name="matte.exr"))
            else:
                path = Pattern.parse(recipe.output.path).path(frame)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                result.path = str(path)
            yield pb.RenderResponse(frame=result)
            progress = pb.Progress(stage="matte", done=done + 1, total=len(frames), seconds_left=-1)
            yield pb.RenderResponse(progress=progress)
        if request.preview:
            for kind, name in (("contact_sheet", "sheet.png"), ("overlay", "../overlay.mp4")):
                handle = self._keep(PICTURE, pb.EncodedFile(name="preview.png"))
                yield pb.RenderResponse(preview=pb.PreviewFile(kind=kind, handle=handle, name=name))
        summary = pb.RenderSummary(done=len(frames), seconds=0.1, stage_seconds={"matte": 0.1})
        if recipe.name == "problem":
            summary.problems.add(kind="frame_unreadable", message="frame 1002 is torn", frame=1002)
        yield pb.RenderResponse(summary=summary)

    async def _misbehave(self, name: str, context) -> None:
        if name.startswith("fail:"):
            cls = all_kinds()[name.partition(":")[2]]
            violations = (Violation("plate.path", "'x'", "y"),)
            await _abort(
                context,
                cls(
                    f"it is {cls.kind}",
                    hint="as asked",
                    violations=violations,
                    frame=7,
                    path="/somewhere",
                    retry_after=3.0 if cls is BusyError else 0.0,
                ),
            )
        if name == "hang":
            await asyncio.sleep(3600)


async def _abort(context, exc: AIRotoError) -> None:
    status = to_status(exc)
    await context.abort(status.code, status.details, status.trailing_metadata)


async def _serve(options: argparse.Namespace) -> None:
    server = grpc.aio.server(options=server_options())
    server.add_generic_rpc_handlers((generic_handler(Toy(options.hide, options.journal)),))
    server.add_insecure_port(parse_target(f"unix:{options.socket}").address)
    await server.start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(0, ended.set)  # the test closes our standard input
    await ended.wait()
    await server.stop(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--hide", action="append", default=[])
    asyncio.run(_serve(parser.parse_args()))
