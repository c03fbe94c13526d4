"""What shared memory costs: a half RGB frame to the server, a half matte back, 1080p and 4K.

    .venv/bin/python tests/benchmarks/ring.py [--rounds N]

Beside it, in the same run: memcpy of the same bytes, the same planes in 1 MiB chunks, and as
one protobuf `bytes` message. In every round the server's SHA-256 of what it read is compared
with the client's of what it wrote, and the other way for the matte; for the first ring row
outside the clock, for the second inside, where memcpy has the same digests to take.
The bar: the ring moves no less than half of memcpy's bytes in the same time.
Machines differ: look at ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from own_server import own_server
from transport import SIZES, one_message

from airoto.wire.digest import Kind
from airoto_client.grpc_link import GrpcLink
from airoto_client.planes import Planes

Half = np.ndarray[Any, np.dtype[np.float16]]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="medians are printed")
    options = parser.parse_args()
    with own_server() as link, tempfile.TemporaryDirectory() as folder:
        for label, size in SIZES.items():
            _measure(Round(link, size), label, Path(folder), options.rounds)


class Round:
    """One frame there and one matte back, by each way."""

    def __init__(self, link: GrpcLink, size: tuple[int, int]) -> None:
        random = np.random.default_rng(0)
        self.link = link
        self.frame: Half = random.random((size[1], size[0], 3), np.float32).astype(np.float16)
        self.matte: Half = random.random((size[1], size[0], 1), np.float32).astype(np.float16)
        self.frame_plane = _plane(self.frame)
        self.matte_plane = _plane(self.matte)
        self.frame_sha = hashlib.sha256(self.frame.data).hexdigest()
        self.matte_sha = hashlib.sha256(self.matte.data).hexdigest()
        self.matte_handle = link.upload_plane(self.matte.data, self.matte_plane)["handle"]
        self.copies = (np.empty_like(self.frame), np.empty_like(self.matte))

    @property
    def nbytes(self) -> int:
        """Bytes that travel."""
        return self.frame.nbytes + self.matte.nbytes

    def memcpy(self, digests: bool) -> float:
        """Seconds of copying both in this process."""
        begin = time.perf_counter()
        np.copyto(self.copies[0], self.frame)
        np.copyto(self.copies[1], self.matte)
        if digests:
            for one in (self.frame, self.copies[0], self.matte, self.copies[1]):
                hashlib.sha256(one.data).hexdigest()
        return time.perf_counter() - begin

    def ring(self, planes: Planes, digests: bool) -> float:
        """Seconds by shared memory; what arrived is compared in any case."""
        begin = time.perf_counter()
        with planes.place(self.frame_plane) as place:
            np.copyto(np.frombuffer(place.view, np.float16).reshape(self.frame.shape), self.frame)
            sent = place.send()
        ours = self._digests(sent.handle, self.frame) if digests else None
        with planes.fetch(self.matte_handle, plane=self.matte_plane, release=False) as back:
            moved = time.perf_counter() - begin
            theirs = hashlib.sha256(back.view).hexdigest()
            took = time.perf_counter() - begin
            assert (sent.way, back.way) == ("ring", "ring"), sent.reason or back.reason
            assert theirs == self.matte_sha
        ours = ours or self._digests(sent.handle, self.frame)
        assert ours == (self.frame_sha, self.frame_sha)
        self._forget(sent.handle)
        return took if digests else moved

    def stream(self, folder: Path) -> float:
        """Seconds in chunks, each way with its digest."""
        path = folder / "matte.raw"
        path.unlink(missing_ok=True)
        begin = time.perf_counter()
        handle = self.link.upload_plane(self.frame.data, self.frame_plane)["handle"]
        self.link.download(self.matte_handle, path, encoding="raw", release=False)
        took = time.perf_counter() - begin
        assert hashlib.sha256(path.read_bytes()).hexdigest() == self.matte_sha
        self._forget(handle)
        return took

    def _digests(self, handle: str, ours: Half) -> tuple[str, str]:
        """Of what we wrote, and of what the server has."""
        answer = self.link.call("PutPlane", {"handle": handle, "digest": True})
        return hashlib.sha256(ours.data).hexdigest(), answer["sha256"]

    def _forget(self, handle: str) -> None:
        self.link.call("PutPlane", {"handle": handle, "release": True})


def _measure(work: Round, label: str, folder: Path, rounds: int) -> None:
    with Planes(work.link) as planes:
        rows = {
            "memcpy": _median(lambda: work.memcpy(False), rounds),
            "ring": _median(lambda: work.ring(planes, False), rounds),
            "memcpy, SHA-256 on both sides": _median(lambda: work.memcpy(True), rounds),
            "ring, SHA-256 on both sides": _median(lambda: work.ring(planes, True), rounds),
            "1 MiB chunks, BLAKE3 on both sides": _median(lambda: work.stream(folder), rounds),
        }
    # One message goes there and comes back whole: the same bytes in all.
    data = bytes(work.nbytes // 2)
    rows["one bytes message, BLAKE3 on both sides"] = (
        one_message(folder, data, Kind.BLAKE3, rounds) / 1000
    )
    there, back = work.frame.nbytes / 1e6, work.matte.nbytes / 1e6
    print(f"\n{label}: {there:.0f} MB there, {back:.0f} MB back")
    for name, seconds in rows.items():
        rate = work.nbytes / seconds / 1e9
        print(f"  {name:<42} {seconds * 1000:8.1f} ms  {rate:6.2f} GB/s")
    print(f"  the ring has {rows['memcpy'] / rows['ring']:.2f} of memcpy's rate (bar: 0.50)")


def _plane(pixels: Half) -> dict[str, object]:
    height, width, channels = pixels.shape
    return {
        "width": width,
        "height": height,
        "channels": channels,
        "pixel_type": "PIXEL_TYPE_HALF",
    }


def _median(work: Callable[[], float], rounds: int) -> float:
    for _ in range(2):
        work()
    return statistics.median(work() for _ in range(rounds))


if __name__ == "__main__":
    main()
