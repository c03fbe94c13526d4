"""What all calls share: the device's lane, engines, the decoder, the spool, the limits."""

from __future__ import annotations

import copy
import importlib.metadata
import logging
import os
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from airoto.errors import OutputError
from airoto_server.access.people import OWNER, Person
from airoto_server.engines.registry import EngineSpec
from airoto_server.residency.leased import (
    LeasedDetector,
    LeasedMatter,
    LeasedSegmenter,
    LeasedTracker,
    Told,
)
from airoto_server.residency.malloc import FreedMemory
from airoto_server.residency.quota import MemoryQuota
from airoto_server.residency.residency import Residency
from airoto_server.scheduler.admission import Admission
from airoto_server.scheduler.lane import Lane
from airoto_server.sessions.embeddings import Embeddings
from airoto_server.sessions.idle import IdleTimer
from airoto_server.sessions.policies import Policies
from airoto_server.sessions.shared_frames import SharedFrames
from airoto_server.sessions.watch import NOBODY, StoreUse, Watch
from airoto_server.storage.place import CachePlace
from airoto_server.storage.share import ResultShare
from airoto_server.storage.store import ResultStore
from airoto_server.transport.content import ContentIds
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.rings import Rings, memory_folder
from airoto_server.transport.roots import Roots
from airoto_server.transport.scratch import Scratch
from airoto_server.transport.spool import Spool
from airoto_server.weights.store import WeightStore

_log = logging.getLogger(__name__)

# What results depend on, for provenance and `airoto info`.
LIBRARIES = ("numpy", "opencv-python-headless", "opencolorio", "OpenImageIO", "pymatting", "torch")


@dataclass(frozen=True)
class Settings:
    """How a server was started.

    Attributes:
        roots: folders that may be read and written; empty: whatever the user may.
        scratch: folder for uploads and tracked masks; None: the system's.
        threads: worker threads of a job.
        devices: where engines run; renders are spread over them.
        renders: that may run at a time on each device; they share it frame by frame.
        waiting: renders that may wait for that.
        precision: what they compute in: `float32`, `bfloat16`, `float16`.
        presets: index of presets whose policies hold here; None: only those that recipes carry.
        preset_required: whether a recipe has to name one of them.
        memory_limit: bytes that models and sessions may hold on each device; 0: what is free.
        max_upload_bytes: of one upload.
        max_frame_pixels: of one picture.
        spool_bytes: of all uploads and results that wait.
        plane_bytes: of those, raw planes that lie in memory.
        ring_bytes: of one ring of shared memory that a client makes; 0: none are taken.
        ring_parent: folder for them; None: one whose files are memory, where there is such a one.
        embedding_bytes: of all image embeddings.
        frame_bytes: of decoded frames that are kept for the next click.
        idle_seconds: after which embeddings and frames that nobody asked for are let go.
        cache: where results are kept, and how much; None: they are not.
    """

    roots: tuple[Path, ...] = ()
    scratch: Path | None = None
    threads: int = 1
    devices: tuple[str, ...] = ("cpu",)
    renders: int = 4
    waiting: int = 64
    precision: str = "float32"
    presets: Path | None = None
    preset_required: bool = False
    memory_limit: int = 0
    max_upload_bytes: int = 4 << 30
    max_frame_pixels: int = 1 << 28
    spool_bytes: int = 64 << 30
    plane_bytes: int = 1 << 29
    ring_bytes: int = 1 << 30
    ring_parent: Path | None = None
    embedding_bytes: int = 1 << 30
    frame_bytes: int = 1 << 30
    idle_seconds: float = 600.0
    cache: CachePlace | None = None


@dataclass(frozen=True)
class Bench:
    """What there is once for each device; an embedding stays on the device that made it."""

    lane: Lane
    residency: Residency
    embeddings: Embeddings


class Workshop:
    """The shared parts; close it to stop children and remove what lies on disk.

    `lane`, `residency` and `embeddings` are those of one device: the first, or the one that
    `at` and `for_clicks` were asked for.

    Args:
        watch: told of work as it ends.
        open_residency: makes the residency of a device.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        watch: Watch = NOBODY,
        open_residency: Callable[[str], Residency] | None = None,
    ) -> None:
        self.settings = settings
        self.started = time.monotonic()
        self.policies = Policies(settings.presets, required=settings.preset_required)
        self._scratch = Scratch(settings.scratch)
        self.folder = self._scratch.folder
        self._memory = _ring_scratch(settings)
        self.rings = Rings(
            self._memory.folder / "rings",
            max_bytes=settings.ring_bytes,
            threads=min(4, os.cpu_count() or 1),
        )
        self.roots = Roots(settings.roots)
        self.person = OWNER
        self.quota = MemoryQuota()
        self._views: dict[Person, Workshop] = {}
        self._views_lock = threading.Lock()
        self.watch = watch
        self.admission = Admission(
            settings.devices, running=settings.renders, waiting=settings.waiting
        )
        open_residency = open_residency or partial(
            Residency,
            precision=settings.precision,
            checkpoints=WeightStore.from_environment(),
            limit_bytes=settings.memory_limit,
            threads=settings.threads,
        )
        self.benches: Mapping[str, Bench] = {
            device: self._bench(device, open_residency(device)) for device in settings.devices
        }
        self._stand_at(settings.devices[0])
        self.spool = Spool(
            self.folder / "spool",
            max_bytes=settings.spool_bytes,
            memory_bytes=settings.plane_bytes,
        )
        self.shared_frames = SharedFrames(settings.frame_bytes)
        expiring = [bench.embeddings.expire for bench in self.benches.values()]
        expiring += [
            self.shared_frames.expire,
            self.spool.buffers.expire,
            self.rings.expire,
            FreedMemory().expire,
        ]
        self._idle = IdleTimer(settings.idle_seconds, expiring)
        self._store = open_results(settings.cache)
        self.results: ResultStore | ResultShare | None = self._store
        self.contents = ContentIds()
        self.decoder = Decoder(
            self.folder, children=min(2, settings.threads), max_pixels=settings.max_frame_pixels
        )

    def detector(self, spec: EngineSpec) -> LeasedDetector:
        """A detector, leased for each call; use it while it is one's turn on the lane."""
        return LeasedDetector(self.residency, spec, self.lane.device)

    def segmenter(self, spec: EngineSpec) -> LeasedSegmenter:
        """A segmenter; as `detector`."""
        return LeasedSegmenter(self.residency, spec, self.lane.device)

    def tracker(self, spec: EngineSpec, session: str) -> LeasedTracker:
        """A tracker, whose memory counts as the session's; as `detector`."""
        return LeasedTracker(self.residency, spec, self.lane.device, session, self.quota.hold)

    def matter(self, spec: EngineSpec, told: Told) -> LeasedMatter:
        """A matter; `told` hears where memory was short. As `detector`."""
        return LeasedMatter(self.residency, spec, self.lane.device, told)

    def at(self, device: str) -> Workshop:
        """The same workshop, working on that device."""
        other = copy.copy(self)
        other._stand_at(device)
        return other

    def for_clicks(self, plate: str) -> Workshop:
        """The same workshop on the device that answers clicks on a plate.

        It is always the same one, where the plate's embeddings are.
        """
        devices = self.settings.devices
        return self.at(devices[zlib.crc32(plate.encode()) % len(devices)])

    def for_person(self, person: Person) -> Workshop:
        """The same workshop within what somebody may use of it; always the same one."""
        if not person.name:
            return self
        with self._views_lock:
            view = self._views.get(person)
            if view is None:
                view = self._views[person] = self._limited_to(person)
            return view

    def _limited_to(self, person: Person) -> Workshop:
        view = copy.copy(self)
        view.person = person
        if person.roots is not None:
            view.roots = Roots(person.roots)
        view.spool = self.spool.for_owner(person.name, person.storage)
        view.quota = MemoryQuota(person.memory)
        # Shared memory lies in the folder of the server's own user.
        view.rings = Rings(self._memory.folder / "no-rings", max_bytes=0)
        if self._store is not None and person.cache is not None:
            view.results = ResultShare(self._store, person.cache)
        return view

    def stores(self) -> tuple[StoreUse, ...]:
        """What is kept so that it need not be made again, for people to look at."""
        embeddings = [bench.embeddings.use() for bench in self.benches.values()]
        results: tuple[StoreUse, ...] = ()
        if self._store is not None:
            kept = self._store.stats()
            use = (kept.entries, kept.bytes, kept.limit_bytes, kept.hits, kept.misses)
            results = (StoreUse("results", *use),)
        return (
            *results,
            self.shared_frames.use(),
            StoreUse(
                "embeddings",
                sum(use.entries for use in embeddings),
                sum(use.bytes for use in embeddings),
                sum(use.limit for use in embeddings),
                sum(use.hits for use in embeddings),
                sum(use.misses for use in embeddings),
            ),
            StoreUse(
                "uploads and handles",
                self.spool.items,
                self.spool.bytes_used,
                self.settings.spool_bytes,
            ),
        )

    def _bench(self, device: str, residency: Residency) -> Bench:
        lane = Lane(device, on_turn=partial(self.watch.turn, device))
        return Bench(lane, residency, Embeddings(self.settings.embedding_bytes, residency.account))

    def _stand_at(self, device: str) -> None:
        bench = self.benches[device]
        self.lane, self.residency, self.embeddings = bench.lane, bench.residency, bench.embeddings

    def job_folder(self) -> Path:
        """An empty folder for one job; the job removes it."""
        return Path(tempfile.mkdtemp(prefix="job-", dir=self.folder))

    def close(self) -> None:
        """Stop the decoder's children, unload engines, remove everything on disk."""
        self._idle.close()
        self.decoder.close()
        self.shared_frames.clear()
        for bench in self.benches.values():
            bench.embeddings.clear()
            bench.residency.close()
        self.rings.close()
        self._memory.close()
        self._scratch.close()


def _ring_scratch(settings: Settings) -> Scratch:
    """The folder of rings: in memory, and not on a disk, where the system has a place for that."""
    if settings.ring_parent is not None:
        return Scratch(settings.ring_parent)
    try:
        return Scratch(memory_folder() or settings.scratch)
    except OSError as exc:
        _log.warning("no folder for shared memory in %s: %s", memory_folder(), exc.strerror)
        return Scratch(settings.scratch)


def open_results(place: CachePlace | None) -> ResultStore | None:
    """The store of results; None where there is none.

    Raises:
        OutputError: a folder that somebody named cannot be used. The default one is done
            without, and the log says so.
    """
    if place is None or place.folder is None:
        return None
    try:
        return ResultStore(place.folder, place.max_bytes)
    except OSError as exc:
        message = f"results cannot be kept in {place.folder}: {exc.strerror}"
        if place.chosen:
            raise OutputError(message, hint="name another folder with --cache, or `off`") from exc
        _log.warning("%s", message)
        return None


def library_versions() -> dict[str, str]:
    """Versions of what results depend on, without importing any of it."""
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
