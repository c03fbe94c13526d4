"""What all calls share: the device's lane, engines, the decoder, the spool, the limits."""

from __future__ import annotations

import importlib.metadata
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airoto_server.engines.registry import EngineSpec
from airoto_server.residency.leased import (
    LeasedDetector,
    LeasedMatter,
    LeasedSegmenter,
    LeasedTracker,
    Told,
)
from airoto_server.residency.residency import Residency
from airoto_server.scheduler.lane import Lane
from airoto_server.sessions.embeddings import Embeddings
from airoto_server.transport.content import ContentIds
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.roots import Roots
from airoto_server.transport.scratch import Scratch
from airoto_server.transport.spool import Spool
from airoto_server.weights.store import WeightStore

# What results depend on, for provenance and `airoto info`.
LIBRARIES = ("numpy", "opencv-python-headless", "opencolorio", "OpenImageIO", "pymatting", "torch")


@dataclass(frozen=True)
class Settings:
    """How a server was started.

    Attributes:
        roots: folders that may be read and written; empty: whatever the user may.
        scratch: folder for uploads and tracked masks; None: the system's.
        threads: worker threads of a job.
        device: where engines run.
        max_upload_bytes: of one upload.
        max_frame_pixels: of one picture.
        spool_bytes: of all uploads and results that wait.
        embedding_bytes: of all image embeddings.
    """

    roots: tuple[Path, ...] = ()
    scratch: Path | None = None
    threads: int = 1
    device: str = "cpu"
    max_upload_bytes: int = 4 << 30
    max_frame_pixels: int = 1 << 28
    spool_bytes: int = 64 << 30
    embedding_bytes: int = 1 << 30


class Workshop:
    """The shared parts; close it to stop children and remove what lies on disk."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started = time.monotonic()
        self._scratch = Scratch(settings.scratch)
        self.folder = self._scratch.folder
        self.roots = Roots(settings.roots)
        self.lane = Lane(settings.device)
        self.residency = Residency(settings.device, checkpoints=WeightStore.from_environment())
        self.embeddings = Embeddings(settings.embedding_bytes, self.residency.account)
        self.spool = Spool(self.folder / "spool", max_bytes=settings.spool_bytes)
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
        return LeasedTracker(self.residency, spec, self.lane.device, session)

    def matter(self, spec: EngineSpec, told: Told) -> LeasedMatter:
        """A matter; `told` hears where memory was short. As `detector`."""
        return LeasedMatter(self.residency, spec, self.lane.device, told)

    def job_folder(self) -> Path:
        """An empty folder for one job; the job removes it."""
        return Path(tempfile.mkdtemp(prefix="job-", dir=self.folder))

    def close(self) -> None:
        """Stop the decoder's children, unload engines, remove everything on disk."""
        self.decoder.close()
        self.embeddings.clear()
        self.residency.close()
        self._scratch.close()


def library_versions() -> dict[str, str]:
    """Versions of what results depend on, without importing any of it."""
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
