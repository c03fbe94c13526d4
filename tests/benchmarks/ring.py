"""What shared memory costs: a half RGB frame to the server, a half matte back, 1080p and 4K.

    .venv/bin/python tests/benchmarks/ring.py [--rounds N]

Beside it, in the same run: memcpy of the same bytes, the same planes in 1 MiB chunks, and as
one protobuf `bytes` message. The clock stops when the server has the frame in memory of its own
and the client the matte. In every round the server's digest of the frame is compared with the
client's, and of the matte: outside the clock where nothing is said, else inside, where both
sides take both (four in all) and memcpy takes as many of what it copied and of the copies.
The bar: the ring moves no less than half of memcpy's bytes in the same time.
Machines differ: look at ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from own_server import own_server
from transport import SIZES, one_message

from airoto.wire.digest import Kind, digest_of
from airoto_client.grpc_link import GrpcLink
from airoto_client.planes import Planes

# Fastest first; bare is without.
_KINDS = {Kind.BLAKE3: "BLAKE3", Kind.SHA256: "SHA-256"}

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
        self.copies = (np.empty_like(self.frame), np.empty_like(self.matte))

    @property
    def nbytes(self) -> int:
        """Bytes that travel."""
        return self.frame.nbytes + self.matte.nbytes

    def memcpy(self, kind: Kind | None = None) -> float:
        """Seconds of copying both in this process; with digests, where a kind is named."""
        begin = time.perf_counter()
        np.copyto(self.copies[0], self.frame)
        np.copyto(self.copies[1], self.matte)
        if kind:
            for one, copied in zip((self.frame, self.matte), self.copies, strict=True):
                assert _digest(kind, one.data) == _digest(kind, copied.data)
        return time.perf_counter() - begin

    def ring(self, planes: Planes, kind: Kind | None = None, *, in_place: bool = False) -> float:
        """Seconds by shared memory; what arrived is compared in any case.

        Args:
            kind: of digests inside the clock.
            in_place: filled by ourselves, as a host renders into it, and not by `Planes.send`.
        """
        # A new one in every round, of which the server has no digest yet.
        matte = planes.send(self.matte.data, self.matte_plane).handle
        begin = time.perf_counter()
        if in_place:
            with planes.place(self.frame_plane) as place:
                pixels = np.frombuffer(place.view, np.float16).reshape(self.frame.shape)
                np.copyto(pixels, self.frame)
                sent = place.send()
        else:
            sent = planes.send(self.frame.data, self.frame_plane)
        if kind:
            assert planes.digest(sent.handle, kind.value) == _digest(kind, self.frame.data)
        with planes.fetch(matte, plane=self.matte_plane, release=False) as back:
            if kind:
                assert planes.digest(matte, kind.value) == _digest(kind, back.view)
            took = time.perf_counter() - begin
            assert (sent.way, back.way) == ("ring", "ring"), sent.reason or back.reason
            assert back.view == self.matte.data.cast("B")
        if not kind:
            ours = _digest(Kind.BLAKE3, self.frame.data)
            assert planes.digest(sent.handle, "blake3") == ours
        planes.forget(sent.handle)
        planes.forget(matte)
        return took

    def stream(self, folder: Path) -> float:
        """Seconds in chunks, each way with its digest."""
        path = folder / "matte.raw"
        path.unlink(missing_ok=True)
        matte = self.link.upload_plane(self.matte.data, self.matte_plane)["handle"]
        begin = time.perf_counter()
        handle = self.link.upload_plane(self.frame.data, self.frame_plane)["handle"]
        self.link.download(matte, path, encoding="raw")
        took = time.perf_counter() - begin
        assert path.read_bytes() == self.matte.tobytes()
        self.link.call("PutPlane", {"handle": handle, "release": True})
        return took


def _measure(work: Round, label: str, folder: Path, rounds: int) -> None:
    with Planes(work.link) as planes:
        rows = {
            "memcpy": _median(work.memcpy, rounds),
            "ring": _median(lambda: work.ring(planes), rounds),
            "ring, filled in place": _median(lambda: work.ring(planes, in_place=True), rounds),
        }
        kind_of_ring = planes.unsealed or "sealed memory"
        for kind, name in _KINDS.items():
            rows[f"memcpy, {name} on both sides"] = _median(partial(work.memcpy, kind), rounds)
            rows[f"ring, {name} on both sides"] = _median(partial(work.ring, planes, kind), rounds)
        rows["1 MiB chunks, BLAKE3 on both sides"] = _median(lambda: work.stream(folder), rounds)
    # One message goes there and comes back whole: the same bytes in all.
    data = bytes(work.nbytes // 2)
    rows["one bytes message, BLAKE3 on both sides"] = (
        one_message(folder, data, Kind.BLAKE3, rounds) / 1000
    )
    there, back = work.frame.nbytes / 1e6, work.matte.nbytes / 1e6
    print(f"\n{label}: {there:.0f} MB there, {back:.0f} MB back; the ring: {kind_of_ring}")
    base = 0.0
    for name, seconds in rows.items():
        base = seconds if name.startswith("memcpy") else base
        share = f"  {base / seconds:.2f} of memcpy's rate" if name.startswith("ring") else ""
        rate = work.nbytes / seconds / 1e9
        print(f"  {name:<42} {seconds * 1000:8.1f} ms  {rate:6.2f} GB/s{share}")
    print("  the bar: 0.50")


def _digest(kind: Kind, data: memoryview) -> str:
    return digest_of(kind, data.cast("B"))


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
