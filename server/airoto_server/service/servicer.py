"""The service's methods: each converts, delegates, converts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import aclosing

from airoto.wire import messages as pb
from airoto.wire.parts import Part
from airoto_server.scheduler.cancel import Cancel
from airoto_server.service.audit import Audit
from airoto_server.service.calls import Calls, Context, Kind
from airoto_server.service.convert import (
    detect_response,
    matte_response,
    probe_response,
    render_response,
    segment_response,
)
from airoto_server.service.gate import current_person
from airoto_server.service.info import server_info
from airoto_server.service.metrics import Metrics
from airoto_server.service.planes import (
    attach_ring,
    detach_ring,
    put_plane,
    read_matte,
    take_plane,
)
from airoto_server.service.record import CallRecord, about
from airoto_server.service.status import seen_by, server_status
from airoto_server.service.transfer import download, prove_path, receive
from airoto_server.sessions.detecting import detect_frame
from airoto_server.sessions.events import (
    Event,
    FrameFinished,
    FrameStatus,
    Planned,
    Progress,
    Queued,
)
from airoto_server.sessions.plates import looked_at
from airoto_server.sessions.render import render
from airoto_server.sessions.single import matte_frame, segment_frame
from airoto_server.sessions.workshop import Workshop


class Servicer:
    """AIRotoService over a workshop."""

    def __init__(
        self, workshop: Workshop, metrics: Metrics | None = None, audit: Audit | None = None
    ) -> None:
        self._everyones = workshop
        self._metrics = metrics or Metrics()
        self._audit = audit
        self._calls = Calls(workshop.admission.most, self._ended)
        self._metrics.look_at(self.status)
        self.page_url = ""

    def status(self) -> pb.GetStatusResponse:
        """What the server does now; from any thread."""
        status = server_status(self._everyones, self._calls.running)
        status.page_url = self.page_url
        return status

    @property
    def _workshop(self) -> Workshop:
        """The workshop as the person may use it whose call this is."""
        return self._everyones.for_person(current_person())

    def _ended(self, record: CallRecord, outcome: str, code: str) -> None:
        self._metrics.call(record, outcome, code)
        if self._audit is not None:
            self._audit.ended(record, outcome, code)

    def stop_jobs(self) -> None:
        """Tell every running job to stop at its next frame."""
        self._calls.stop()

    def close(self) -> None:
        """Stop every job and wait until it has."""
        self._calls.close()

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: Context
    ) -> pb.GetServerInfoResponse:
        return await self._calls.unary(
            "GetServerInfo", context, lambda cancel: server_info(self._workshop)
        )

    async def GetStatus(
        self, request: pb.GetStatusRequest, context: Context
    ) -> pb.GetStatusResponse:
        def answer(cancel: Cancel) -> pb.GetStatusResponse:
            status = seen_by(current_person(), self.status())
            if request.metrics:
                status.metrics = self._metrics.text()
            return status

        return await self._calls.unary("GetStatus", context, answer)

    async def ProvePath(
        self, request: pb.ProvePathRequest, context: Context
    ) -> pb.ProvePathResponse:
        def answer(cancel: Cancel) -> pb.ProvePathResponse:
            about(request.path)
            return prove_path(request, self._workshop.roots)

        return await self._calls.unary("ProvePath", context, answer)

    async def ProbePlate(
        self, request: pb.ProbePlateRequest, context: Context
    ) -> pb.ProbePlateResponse:
        def answer(cancel: Cancel) -> pb.ProbePlateResponse:
            about(request.plate.path)
            found = looked_at(self._workshop, request.plate, request.uploads)
            return probe_response(request.plate, found)

        return await self._calls.unary("ProbePlate", context, answer)

    async def Upload(self, parts: AsyncIterator[Part], context: Context) -> pb.UploadResponse:
        async with self._calls.call("Upload", context, Kind.TRANSFER):
            workshop = self._workshop
            limits = workshop.settings.max_upload_bytes, workshop.settings.max_frame_pixels
            return await receive(parts, workshop.spool, *limits)

    async def Download(self, request: pb.DownloadRequest, context: Context) -> AsyncIterator[Part]:
        def work(cancel: Cancel) -> Generator[Part, None, None]:
            return download(self._workshop.spool, request, cancel)

        def taken() -> None:
            if request.release:
                self._workshop.spool.release(request.handle)

        async with aclosing(self._calls.parts("Download", context, work, taken)) as parts:
            async for part in parts:
                yield part

    async def AttachRing(
        self, request: pb.AttachRingRequest, context: Context
    ) -> pb.AttachRingResponse:
        return await self._calls.unary(
            "AttachRing", context, lambda cancel: attach_ring(self._workshop, request)
        )

    async def DetachRing(
        self, request: pb.DetachRingRequest, context: Context
    ) -> pb.DetachRingResponse:
        return await self._calls.unary(
            "DetachRing", context, lambda cancel: detach_ring(self._workshop, request)
        )

    async def TakePlane(
        self, request: pb.TakePlaneRequest, context: Context
    ) -> pb.TakePlaneResponse:
        return await self._calls.unary(
            "TakePlane", context, lambda cancel: take_plane(self._workshop, request)
        )

    async def PutPlane(self, request: pb.PutPlaneRequest, context: Context) -> pb.PutPlaneResponse:
        return await self._calls.unary(
            "PutPlane", context, lambda cancel: put_plane(self._workshop, request)
        )

    async def ReadMatte(
        self, request: pb.ReadMatteRequest, context: Context
    ) -> pb.ReadMatteResponse:
        return await self._calls.unary(
            "ReadMatte", context, lambda cancel: read_matte(self._workshop, request)
        )

    async def Detect(self, request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        def answer(cancel: Cancel) -> pb.DetectResponse:
            about(request.recipe.plate.path)
            return detect_response(
                detect_frame(self._workshop, request.recipe, request.uploads, cancel)
            )

        return await self._calls.unary("Detect", context, answer)

    async def Segment(self, request: pb.SegmentRequest, context: Context) -> pb.SegmentResponse:
        def answer(cancel: Cancel) -> pb.SegmentResponse:
            about(request.recipe.plate.path)
            return segment_response(
                segment_frame(
                    self._workshop, request.recipe, request.frame, request.uploads, cancel
                )
            )

        return await self._calls.unary("Segment", context, answer)

    async def Matte(self, request: pb.MatteRequest, context: Context) -> pb.MatteResponse:
        def answer(cancel: Cancel) -> pb.MatteResponse:
            about(request.recipe.plate.path)
            return matte_response(matte_frame(self._workshop, request, cancel))

        return await self._calls.unary("Matte", context, answer)

    async def Render(
        self, request: pb.RenderRequest, context: Context
    ) -> AsyncIterator[pb.RenderResponse]:
        def work(cancel: Cancel, emit: Callable[[Event], None]) -> None:
            about(request.recipe.plate.path)
            render(self._workshop, request, cancel, emit)

        answers = self._calls.events(
            "Render", context, work, latest=(Progress, Queued), look=_written_down
        )
        async with aclosing(answers) as events:
            async for event in events:
                yield render_response(event)


def _written_down(record: CallRecord, event: Event) -> None:
    """What the log tells of a render."""
    match event:
        case Planned():
            record.recipe_hash = event.recipe_hash
        case FrameFinished(status=FrameStatus.DONE):
            record.frames += 1
        case _:
            pass
