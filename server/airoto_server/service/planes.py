"""Raw planes by shared memory: rings attached, planes taken out of them and put into them."""

from __future__ import annotations

import numpy as np

from airoto.errors import BadRequestError, HandleUnknownError, TooLargeError
from airoto.wire import messages as pb
from airoto.wire.chunks import check_plane
from airoto.wire.digest import kind_of
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.planes import Plane
from airoto_server.transport.receiver import check_pixels


def attach_ring(workshop: Workshop, request: pb.AttachRingRequest) -> pb.AttachRingResponse:
    """Let a ring be used.

    Raises:
        BadRequestError, TooLargeError: it cannot be.
    """
    workshop.rings.attach(request)
    return pb.AttachRingResponse()


def detach_ring(workshop: Workshop, request: pb.DetachRingRequest) -> pb.DetachRingResponse:
    """Let go of a ring."""
    workshop.rings.detach(request.ring)
    return pb.DetachRingResponse()


def take_plane(workshop: Workshop, request: pb.TakePlaneRequest) -> pb.TakePlaneResponse:
    """Keep a plane of a ring under a handle.

    Raises:
        HandleUnknownError: the ring is not attached.
        BadRequestError: the block is not what the request says.
        TooLargeError, OutOfSpaceError: there is no room for it here.
    """
    source = request.source
    ring = workshop.rings.open(source.ring)
    check_plane(source.plane, source.size)
    if source.size > workshop.settings.max_upload_bytes:
        raise TooLargeError(
            f"a plane of {source.size} bytes; allowed: at most {workshop.settings.max_upload_bytes}"
        )
    check_pixels(source.plane, workshop.settings.max_frame_pixels)
    item = workshop.spool.put_plane(
        Plane.of(source.plane), lambda memory: ring.read(source, memory)
    )
    digest = item.sha256 if request.digest else ""
    return pb.TakePlaneResponse(handle=item.handle, sha256=digest)


def put_plane(workshop: Workshop, request: pb.PutPlaneRequest) -> pb.PutPlaneResponse:
    """Say what plane is behind a handle, and copy it into a ring where one is named.

    Raises:
        HandleUnknownError: nothing is behind the handle, or no plane; the ring is not attached.
        BadRequestError: the block is not for such a plane; a digest that is not known here.
    """
    item = workshop.spool.open(request.handle)
    if item.plane is None:
        raise HandleUnknownError(
            f"{item.handle} is a file ({item.name}), not a plane", hint="download it"
        )
    if request.HasField("target"):
        data = item.array().reshape(-1).data.cast("B")
        workshop.rings.open(request.target.ring).write(request.target, item.plane, data)
    answer = pb.PutPlaneResponse(plane=item.plane.to_wire())
    if request.digest:
        kind = kind_of(request)
        setattr(answer, kind.value, item.digest(kind))
    if request.release:
        workshop.spool.release(request.handle)
    return answer


def read_matte(workshop: Workshop, request: pb.ReadMatteRequest) -> pb.ReadMatteResponse:
    """Decode one alpha of a matte's file and keep it as a plane.

    Raises:
        HandleUnknownError: nothing is behind the handle, or no file.
        FrameUnreadableError: it is no matte of ours.
        BadRequestError: the matte has no such object.
    """
    item, decoder = workshop.spool.open(request.handle), workshop.decoder
    label = item.name or request.handle
    name = request.object
    if name:
        there = decoder.read_matte_info(item.path, label=label).objects
        if name not in there:
            raise BadRequestError(
                f"{label} has no object {name!r}; it has {', '.join(there) or 'none'}"
            )
        image = decoder.read_matte_alpha(item.path, name, label=label)
    else:
        image = decoder.read_mask(item.path, label=label)
    kept = workshop.spool.put_array(
        image.mask.astype(np.float16), window=image.window, display=image.display
    )
    assert kept.plane is not None
    return pb.ReadMatteResponse(handle=kept.handle, plane=kept.plane.to_wire())
