"""What a server is doing at this moment."""

from __future__ import annotations

import os
import time

from airoto import __version__
from airoto.wire import messages as pb
from airoto_server.access.people import Person
from airoto_server.residency.table import Tier
from airoto_server.scheduler.admission import Job, Place
from airoto_server.service import machine
from airoto_server.sessions.watch import StoreUse
from airoto_server.sessions.workshop import Bench, Workshop


def server_status(workshop: Workshop, calls: int) -> pb.GetStatusResponse:
    """Devices, models, renders and what is kept; asks no engine anything.

    Args:
        calls: that run now.
    """
    decoders = machine.children()
    return pb.GetStatusResponse(
        version=__version__,
        pid=os.getpid(),
        uptime_seconds=time.monotonic() - workshop.started,
        devices=[_device(workshop, *item) for item in workshop.benches.items()],
        models=[
            model for name, bench in workshop.benches.items() for model in _models(name, bench)
        ],
        jobs=[_job(workshop, *each) for each in workshop.admission.jobs()],
        stores=[_store(use) for use in workshop.stores()],
        process=pb.ProcessStatus(
            resident_bytes=machine.resident_bytes(),
            decoder_bytes=sum(machine.resident_bytes(pid) for pid in decoders),
            decoders=workshop.decoder.alive,
            decoder_restarts=workshop.decoder.restarts,
            threads=machine.threads(),
            calls_running=calls,
        ),
    )


def seen_by(person: Person, status: pb.GetStatusResponse) -> pb.GetStatusResponse:
    """What of it somebody may see: of others' renders only that they are there."""
    if person.admin:
        return status
    status.page_url = ""
    for job in status.jobs:
        if job.client != person.name:
            for name in ("request_id", "client", "name", "recipe_hash"):
                job.ClearField(name)
    return status


def _device(workshop: Workshop, name: str, bench: Bench) -> pb.DeviceStatus:
    lane, room = bench.lane, bench.residency.room()
    return pb.DeviceStatus(
        name=name,
        memory_bytes=room.total,
        free_bytes=room.free,
        held_bytes=room.held,
        busy=lane.is_busy,
        clicks_waiting=lane.clicks_waiting,
        jobs_running=workshop.admission.running_on(name),
        load=lane.load(),
    )


def _models(device: str, bench: Bench) -> list[pb.ModelStatus]:
    return [
        pb.ModelStatus(
            device=device,
            name=held.who,
            bytes=held.bytes,
            tier="host" if held.tier is Tier.HOST else "device",
            leases=len(held.leases),
            pinned=held.pinned,
        )
        for held in bench.residency.holdings()
    ]


def _job(workshop: Workshop, job: Job, place: Place) -> pb.JobStatus:
    waits = bool(place.position)
    return pb.JobStatus(
        request_id=job.request_id,
        client=job.client,
        name=job.name,
        recipe_hash=job.recipe_hash,
        state=pb.JobState.JOB_STATE_WAITING if waits else pb.JobState.JOB_STATE_RUNNING,
        device=job.device,
        position=place.position,
        wait_seconds=place.wait_seconds,
        stage=job.stage,
        done=job.done,
        total=job.total,
        seconds_left=job.seconds_left,
        seconds=workshop.admission.seconds(job),
    )


def _store(use: StoreUse) -> pb.StoreStatus:
    return pb.StoreStatus(
        name=use.name,
        entries=use.entries,
        bytes=use.bytes,
        limit_bytes=use.limit,
        hits=use.hits,
        misses=use.misses,
    )
