"""Plain data of the sessions to messages."""

from __future__ import annotations

from airoto.review import Reason
from airoto.wire import messages as pb
from airoto_server.engines.registry import Role
from airoto_server.sessions import events
from airoto_server.sessions.detecting import Detected
from airoto_server.sessions.plates import PlateLook
from airoto_server.sessions.single import Matted, Segmented

ROLES = {
    Role.DETECTOR: pb.EngineRole.ENGINE_ROLE_DETECTOR,
    Role.SEGMENTER: pb.EngineRole.ENGINE_ROLE_SEGMENTER,
    Role.TRACKER: pb.EngineRole.ENGINE_ROLE_TRACKER,
    Role.MATTER: pb.EngineRole.ENGINE_ROLE_MATTER,
}
_STATUSES = {
    events.FrameStatus.DONE: pb.FrameStatus.FRAME_STATUS_DONE,
    events.FrameStatus.KEPT: pb.FrameStatus.FRAME_STATUS_KEPT,
    events.FrameStatus.SKIPPED: pb.FrameStatus.FRAME_STATUS_SKIPPED,
}
_REASONS = {
    Reason.EMPTY: pb.ReviewReason.REVIEW_REASON_EMPTY,
    Reason.LOW_CONFIDENCE: pb.ReviewReason.REVIEW_REASON_LOW_CONFIDENCE,
    Reason.AREA_JUMP: pb.ReviewReason.REVIEW_REASON_AREA_JUMP,
    Reason.FLICKER: pb.ReviewReason.REVIEW_REASON_FLICKER,
}


def provenance(made: events.Provenance) -> pb.Provenance:
    """Which algorithms made a result, as a message."""
    return pb.Provenance(
        airoto_version=made.airoto_version,
        engines=[
            pb.EngineUse(
                role=ROLES[use.role],
                name=use.name,
                version=use.version,
                weights_sha256=use.weights_sha256,
                device=use.device,
                precision=use.precision,
            )
            for use in made.engines
        ],
        working_width=made.working[0],
        working_height=made.working[1],
        colour=made.colour,
        threads=made.threads,
        choices=made.choices,
    )


def render_response(event: events.Event) -> pb.RenderResponse:
    """One event of a render as a message."""
    match event:
        case events.Planned():
            return pb.RenderResponse(
                plan=pb.RenderPlan(
                    recipe_hash=event.recipe_hash,
                    provenance=provenance(event.provenance),
                    frames_to_deliver=event.frames_to_deliver,
                    frames_kept=event.frames_kept,
                    found=[_found(one) for one in event.found],
                )
            )
        case events.FrameFinished():
            return pb.RenderResponse(
                frame=pb.FrameResult(
                    frame=event.frame,
                    status=_STATUSES[event.status],
                    path=event.path,
                    handle=event.handle,
                    objects=[
                        pb.ObjectResult(
                            object_id=one.object_id, confidence=one.confidence, area=one.area
                        )
                        for one in event.objects
                    ],
                )
            )
        case events.Queued():
            return pb.RenderResponse(
                queue=pb.QueuePlace(
                    position=event.position,
                    running=event.running,
                    wait_seconds=event.wait_seconds,
                )
            )
        case events.Progress():
            return pb.RenderResponse(
                progress=pb.Progress(
                    stage=event.stage,
                    done=event.done,
                    total=event.total,
                    seconds_left=event.seconds_left,
                    fraction=event.fraction,
                )
            )
        case events.Warned():
            return pb.RenderResponse(warning=pb.Warning(message=event.message, frame=event.frame))
        case events.PreviewMade():
            return pb.RenderResponse(
                preview=pb.PreviewFile(kind=event.kind, handle=event.handle, name=event.name)
            )
        case events.Reviewed():
            return pb.RenderResponse(
                review=pb.Review(
                    frames=[
                        pb.FrameToReview(
                            frame=one.frame,
                            object_id=one.object_id,
                            reason=_REASONS[one.reason],
                            weight=one.weight,
                            message=one.why,
                        )
                        for one in event.findings
                    ]
                )
            )
        case events.Finished():
            return pb.RenderResponse(
                summary=pb.RenderSummary(
                    done=event.done,
                    kept=event.kept,
                    skipped=event.skipped,
                    seconds=event.seconds,
                    stage_seconds=event.stage_seconds,
                    stage_made=event.stage_made,
                    stage_cached=event.stage_cached,
                )
            )


def probe_response(asked: pb.Plate, look: PlateLook) -> pb.ProbePlateResponse:
    """The plate that was asked about, with what was found filled in."""
    facts = look.facts
    plate = pb.Plate()
    plate.CopyFrom(asked)
    plate.frames.first, plate.frames.last = facts.frames
    plate.format.width, plate.format.height = facts.format.width, facts.format.height
    plate.format.pixel_aspect = facts.format.pixel_aspect
    plate.format.ClearField("data_window")
    data = facts.format.data
    if data != facts.format.display:
        window = pb.Window(x_min=data.x_min, y_min=data.y_min, x_max=data.x_max, y_max=data.y_max)
        plate.format.data_window.CopyFrom(window)
    plate.colour.space = asked.colour.space or facts.colour_space
    plate.colour.config_hash = look.config_hash
    return pb.ProbePlateResponse(
        plate=plate,
        missing_frames=facts.missing,
        views=facts.views,
        layers=facts.layers,
        is_movie=facts.is_movie,
        frame_rate=facts.frame_rate,
        notes=facts.notes,
    )


def detect_response(made: Detected) -> pb.DetectResponse:
    """Objects found by text as a message."""
    return pb.DetectResponse(
        objects=[_found(one) for one in made.objects],
        phrases_not_found=made.phrases_not_found,
        provenance=provenance(made.provenance),
    )


def _found(one: events.FoundObject) -> pb.FoundObject:
    x_min, y_min, x_max, y_max = one.box
    return pb.FoundObject(
        object_id=one.object_id,
        name=one.name,
        phrase=one.phrase,
        words=one.words,
        score=one.score,
        box=pb.Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max),
    )


def segment_response(made: Segmented) -> pb.SegmentResponse:
    """Candidates as a message."""
    objects = []
    for object_id, found in made.objects.items():
        listed = pb.ObjectCandidates(object_id=object_id)
        for one in found:
            candidate = listed.candidates.add(
                mask_handle=one.handle, score=one.score, area=one.area
            )
            if one.bounds is not None:
                x_min, y_min, x_max, y_max = one.bounds
                candidate.bounds.CopyFrom(
                    pb.Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
                )
        objects.append(listed)
    return pb.SegmentResponse(objects=objects, provenance=provenance(made.provenance))


def matte_response(made: Matted) -> pb.MatteResponse:
    """Handles of a matte as a message."""
    return pb.MatteResponse(
        alpha_handle=made.alpha,
        trimap_handle=made.trimap,
        foreground_handle=made.foreground,
        provenance=provenance(made.provenance),
        confidence=made.confidence,
        notes=made.notes,
    )
