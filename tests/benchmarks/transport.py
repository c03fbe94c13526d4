"""What a frame costs besides the models: milliseconds by stage, 1080p and 4K.

    .venv/bin/python tests/benchmarks/transport.py [--frames N]

Engines are `null`, so everything measured is ours: reading the file, decoding it in a child
process, colour and size, handing pixels over by chunked streams, results, writing. Beside it,
in the same run: memcpy, and the same pixels as one protobuf `bytes` field. The two do equal
work: the sender digests, the receiver digests and compares, there and back, with the same
digest; the server keeps the pixels in memory; the client ends with a file. One message is one
call there and back, chunks are two. The last two rows are gRPC by itself: the same parts with the
same checks, memory and file, and nothing else; and with nothing done about them at all, than which
no chunks through gRPC are faster. Machines differ: look at ratios.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from own_server import own_server
from plain_grpc import bare_streams, checked_streams, milliseconds, one_message

from airoto.wire.digest import Kind, digest_of
from airoto_client.grpc_link import GrpcLink
from airoto_server.ops.colour import Colour, ColourSettings
from airoto_server.ops.geometry import Format, Window, working_for
from airoto_server.ops.matte_file import Matte, ObjectMatte, write_matte
from airoto_server.ops.parallel import limit_libraries
from airoto_server.ops.resample import to_picture
from airoto_server.transport.decoder import Decoder

SIZES = {"1080p": (1920, 1080), "4K": (4096, 2160)}


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=5, help="repetitions; medians are printed")
    options = parser.parse_args()
    limit_libraries()
    with tempfile.TemporaryDirectory() as name:
        for label, size in SIZES.items():
            _stages(Path(name), label, size, options.frames)
            _handovers(Path(name), label, size, options.frames)


def _stages(folder: Path, label: str, size: tuple[int, int], repeat: int) -> None:
    width, height = size
    plate = folder / f"{label}.exr"
    _write_plate(plate, width, height)
    window = Window.sized(width, height)
    colour = Colour(ColourSettings("ACEScg"))
    working = working_for(Format(width, height), 854)
    alpha = np.zeros((height, width), np.float32)
    alpha[height // 4 : height // 2, width // 4 : width // 2] = 1
    matte = Matte(alpha, (ObjectMatte("hero", alpha),), window, size, provenance={"a": "b"})
    with Decoder(folder / "decoder") as decoder:
        frame = decoder.read_frame(plate)
        copy = np.empty_like(frame.pixels)
        rows = {
            "memcpy of the half RGB frame": lambda: np.copyto(copy, frame.pixels),
            "read the file's bytes": plate.read_bytes,
            "read and decode in a child process": lambda: decoder.read_frame(plate),
            "colour and size to 854": lambda: to_picture(
                frame.pixels, window, 1.0, working, colour, 2
            ),
            "write the matte (ZIPS, fsync, read back)": lambda: write_matte(
                folder / "out.exr", matte
            ),
        }
        print(f"\n{label}, {width}x{height}, stages in process")
        _table({name: milliseconds(work, repeat) for name, work in rows.items()}, 0)
    with own_server() as link:
        names = [plate.with_name(f"{label}.{n:04d}.exr") for n in range(1, repeat + 1)]
        for name in names:
            name.hardlink_to(plate)
        request = _render_request(folder, label, size, repeat)
        by_path = _render(link, request)
        uploads: list[dict[str, object]] = []
        up = time.perf_counter()
        for index, name in enumerate(names, 1):
            sent = link.upload_file(name)
            assert sent["digest"] == f"blake3:{digest_of(Kind.BLAKE3, name.read_bytes())}"
            uploads.append({"frame": index, "handle": sent["handle"]})
        up = (time.perf_counter() - up) * 1000 / repeat
        request["uploads"] = uploads
        request["delivery"] = "DELIVERY_HANDLES"
        by_handle = _render(link, request, fetch=folder / "fetched.exr")
    print(f"\n{label}, whole renders with null engines, milliseconds a frame")
    _table(
        {
            "plate by path, matte written by the server": by_path,
            "plate uploaded in chunks (upload alone)": up,
            "plate from uploads, matte fetched by handle": by_handle,
        },
        0,
    )


def _render_request(
    folder: Path, label: str, size: tuple[int, int], frames: int
) -> dict[str, object]:
    return {
        "recipe": {
            "version": 1,
            "plate": {
                "path": str(folder / f"{label}.####.exr"),
                "frames": {"first": 1, "last": frames},
                "format": {"width": size[0], "height": size[1]},
                "colour": {"space": "ACEScg"},
            },
            "objects": [
                {
                    "id": 1,
                    "name": "hero",
                    "prompts": [{"frame": 1, "points": [{"x": size[0] / 2, "y": size[1] / 2}]}],
                }
            ],
            "segment": {"engine": "null"},
            "track": {"engine": "null"},
            "matte": {"engine": "null"},
            "output": {
                "path": str(folder / f"{label}_out.####.exr"),
                "overwrite": "OVERWRITE_REPLACE",
            },
        }
    }


def _render(link: GrpcLink, request: dict[str, object], fetch: Path | None = None) -> float:
    """Milliseconds a frame, from the second frame on: the first one starts what is lazy."""
    stamps = []
    for event in link.stream("Render", request):
        if "frame" in event:
            if fetch is not None:
                link.download(event["frame"]["handle"], fetch)
            stamps.append(time.perf_counter())
    if len(stamps) < 2:
        return float("nan")
    return (stamps[-1] - stamps[0]) * 1000 / (len(stamps) - 1)


def _handovers(folder: Path, label: str, size: tuple[int, int], repeat: int) -> None:
    """The half RGB frame from process to process: raw chunks against one message."""
    pixels = np.random.default_rng(0).random((size[1], size[0], 3), np.float32).astype(np.float16)
    data = pixels.tobytes()
    digest = f"blake3:{digest_of(Kind.BLAKE3, data)}"
    copy = bytearray(len(data))
    rows = {"memcpy": milliseconds(lambda: copy.__setitem__(slice(None), data), repeat)}
    with own_server() as link:
        plane = {
            "width": size[0],
            "height": size[1],
            "channels": 3,
            "pixel_type": "PIXEL_TYPE_HALF",
        }

        def chunked() -> None:
            (folder / "back.raw").unlink(missing_ok=True)
            sent = link.upload_plane(data, plane)
            assert sent["digest"] == digest
            link.download(sent["handle"], folder / "back.raw", encoding="raw")
            # `download` compares the digest that the server sends.

        rows["1 MiB chunks there and back, BLAKE3"] = milliseconds(chunked, repeat)
    for kind in (Kind.BLAKE3, Kind.SHA256):
        rows[f"one bytes message there and back, {kind.name}"] = one_message(
            folder, data, kind, repeat
        )
    rows["gRPC alone: the same parts, checked and kept"] = checked_streams(folder, data, repeat)
    rows["gRPC alone: the same parts, nothing done with them"] = bare_streams(folder, data, repeat)
    print(f"\n{label}, {len(data) / 1e6:.0f} MB half RGB through a Unix socket")
    _table(rows, len(data))
    chunks, message, with_sha256, checked, bare = list(rows.values())[1:]
    print(
        f"  chunks are {message / chunks:.1f}x as fast as one message with the same digest, "
        f"{with_sha256 / chunks:.1f}x with SHA-256; gRPC alone would be {message / checked:.1f}x "
        f"checked and kept, {message / bare:.1f}x with nothing done"
    )


def _write_plate(path: Path, width: int, height: int) -> None:
    import OpenImageIO as oiio

    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.01, (height, width)).astype(np.float32)
    pixels = np.stack([x / width, y / height, (x + y) / (width + height)], -1) + noise[..., None]
    spec = oiio.ImageSpec(width, height, 3, oiio.HALF)
    spec.attribute("compression", "zip")
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(np.ascontiguousarray(pixels.astype(np.float16)))
    assert output.close()


def _table(rows: dict[str, float], size: int) -> None:
    for name, took in rows.items():
        rate = f"  {size / took / 1e6:6.2f} GB/s" if size else ""
        print(f"  {name:<48} {took:9.1f} ms{rate}")


if __name__ == "__main__":
    main()
