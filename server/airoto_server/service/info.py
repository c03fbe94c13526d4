"""What a server says of itself."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress

from airoto import __version__
from airoto.errors import EngineUnavailableError
from airoto.wire import messages as pb
from airoto.wire.channel import CHUNK_BYTES
from airoto.wire.digest import KNOWS_BLAKE3
from airoto.wire.recipe import LIMITS
from airoto_server.engines.registry import Role, all_specs
from airoto_server.residency.residency import Residency
from airoto_server.service.convert import ROLES
from airoto_server.sessions.workshop import Workshop, library_versions


def server_info(workshop: Workshop) -> pb.GetServerInfoResponse:
    """Version, devices, engines and limits; loads nothing."""
    settings = workshop.settings
    return pb.GetServerInfoResponse(
        version=__version__,
        devices=[_device(each.residency) for each in workshop.benches.values()],
        engines=_engines(workshop.residency),
        limits=pb.Limits(
            chunk_bytes=CHUNK_BYTES,
            max_upload_bytes=settings.max_upload_bytes,
            max_frame_pixels=settings.max_frame_pixels,
            max_frames=LIMITS.frames,
            max_objects=LIMITS.objects,
            max_points_per_prompt=LIMITS.points,
            blake3=KNOWS_BLAKE3,
            max_ring_bytes=workshop.rings.max_bytes,
        ),
        pid=os.getpid(),
        uptime_seconds=time.monotonic() - workshop.started,
        roots=[str(root) for root in workshop.roots.folders],
        libraries=library_versions(),
        ring_folder=str(workshop.rings.folder) if workshop.rings.max_bytes else "",
    )


def _device(residency: Residency) -> pb.Device:
    return pb.Device(
        name=residency.device,
        description=f"{platform.machine()}, {os.cpu_count()} processors",
        memory_bytes=residency.memory_device.total_bytes(),
    )


def _engines(residency: Residency) -> list[pb.EngineInfo]:
    defaults = []
    for role in Role:
        with suppress(EngineUnavailableError):  # a role may have no engine yet
            defaults.append(residency.resolve(role, "auto"))
    listed = []
    for spec in all_specs():
        state = residency.availability(spec)
        device, precision = residency.place(spec)
        listed.append(
            pb.EngineInfo(
                name=spec.facts.name,
                role=ROLES[spec.role],
                description=spec.facts.description,
                available=state.available,
                reason=state.reason,
                is_default=spec in defaults,
                needs_weights=spec.facts.needs_weights,
                weights_present=state.weights_present,
                licence=spec.facts.licence,
                commercial_use=spec.facts.commercial_use,
                device=device,
                precision=precision,
                weights_sha256=state.weights_sha256,
            )
        )
    return listed
