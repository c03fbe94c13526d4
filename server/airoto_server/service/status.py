"""What a server is doing at this moment."""

from __future__ import annotations

import os
import time

from airoto import __version__
from airoto.wire import messages as pb
from airoto_server.sessions.workshop import Workshop


def server_status(workshop: Workshop) -> pb.GetStatusResponse:
    """Devices, models and what is kept; asks no engine anything."""
    device = workshop.settings.devices[0]
    return pb.GetStatusResponse(
        version=__version__,
        pid=os.getpid(),
        uptime_seconds=time.monotonic() - workshop.started,
        devices=[pb.DeviceStatus(name=device)],
        models=[
            pb.ModelStatus(
                device=device,
                name=held.who,
                bytes=held.bytes,
                tier=held.tier.value,
                leases=len(held.leases),
                pinned=held.pinned,
            )
            for held in workshop.residency.holdings()
        ],
    )
