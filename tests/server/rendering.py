"""Recipes, renders and mattes for the tests that talk to a real server process."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio
import pytest

from airoto.sequence import Pattern
from airoto.wire import recipe as recipes
from airoto_client.grpc_link import GrpcLink
from airoto_server.app.sample import SamplePaths

Message = dict[str, Any]
Plane = npt.NDArray[np.float32]


# ---- recipes -------------------------------------------------------------------------


def merged(recipe: Message, changes: Message) -> Message:
    """A recipe with some fields changed, deeply; lists are replaced."""
    answer = copy.deepcopy(recipe)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(answer.get(name), dict):
            answer[name] = merged(answer[name], value)
        else:
            answer[name] = copy.deepcopy(value)
    return answer


def sample_recipe(clip: SamplePaths, output: Path | str, /, **changes: Any) -> Message:
    """The sample clip's own recipe: one click, the default engines; output as given."""
    recipe = recipes.to_dict(recipes.read(clip.recipe))
    recipe = merged(recipe, {"plate": {"path": str(clip.acescg)}, "output": {"path": str(output)}})
    return merged(recipe, changes)


def drawn(path: Path | str, frame: int) -> Message:
    """A prompt that is a drawn mask: the answer for its frame, whatever the segmenter."""
    return {"frame": frame, "mask": {"path": str(path)}}


def hero(*prompts: Message) -> list[Message]:
    """One object with these prompts."""
    return [{"id": 1, "name": "hero", "prompts": list(prompts)}]


def drawn_recipe(
    clip: SamplePaths, output: Path | str, /, *, keys: Sequence[int] = (), **changes: Any
) -> Message:
    """A quick recipe: the exact alpha drawn on keyframes (the first one), tracked, not matted."""
    alpha = Pattern.parse(str(clip.alphas[0]))
    objects = hero(*(drawn(alpha.path(key), key) for key in keys or (clip.first,)))
    quick = {"objects": objects, "segment": {"engine": "null"}, "matte": {"engine": "none"}}
    return sample_recipe(clip, output, **merged(quick, changes))


# ---- renders -------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a render told."""

    plan: Message = field(default_factory=dict)
    frames: dict[int, Message] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    previews: dict[str, Message] = field(default_factory=dict)
    review: list[Message] = field(default_factory=list)
    summary: Message = field(default_factory=dict)

    @property
    def done(self) -> list[int]:
        """Frames made now."""
        return [n for n, one in self.frames.items() if one["status"] == "FRAME_STATUS_DONE"]

    @property
    def kept(self) -> list[int]:
        """Frames made before."""
        return [n for n, one in self.frames.items() if one["status"] == "FRAME_STATUS_KEPT"]

    @property
    def skipped(self) -> list[int]:
        """Frames left out."""
        return [n for n, one in self.frames.items() if one["status"] == "FRAME_STATUS_SKIPPED"]

    def add(self, answer: Message) -> None:
        """One message of the stream."""
        if "plan" in answer:
            self.plan = answer["plan"]
        elif "frame" in answer:
            self.frames[answer["frame"].get("frame", 0)] = answer["frame"]
        elif "warning" in answer:
            self.warnings.append(answer["warning"]["message"])
        elif "preview" in answer:
            self.previews[answer["preview"]["kind"]] = answer["preview"]
        elif "review" in answer:
            self.review = answer["review"]["frames"]
        elif "summary" in answer:
            self.summary = answer["summary"]


def render(link: GrpcLink, recipe: Message, **request: Any) -> Outcome:
    """Render to the end."""
    outcome = Outcome()
    for answer in link.stream("Render", {"recipe": recipe, **request}, timeout=120):
        outcome.add(answer)
    assert outcome.summary, "a render that ends tells so"
    return outcome


def segment_area(link: GrpcLink, recipe: Message, frame: int) -> int:
    """The area of the best candidate for the first object on a frame."""
    request = {"recipe": recipe, "frame": frame}
    answer = link.call("Segment", request)
    return int(answer["objects"][0]["candidates"][0]["area"])


# ---- files ---------------------------------------------------------------------------


def files_in(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def digests(folder: Path) -> dict[str, str]:
    """Every file's SHA-256."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files_in(folder)
    }


def channels(path: Path) -> dict[str, Plane]:
    """The channels of an image file, over its data window."""
    image = oiio.ImageInput.open(str(path))
    assert image is not None, oiio.geterror()
    try:
        pixels = image.read_image(0, 0, 0, image.spec().nchannels, oiio.FLOAT)
        return {
            name: np.ascontiguousarray(pixels[..., at])
            for at, name in enumerate(image.spec().channelnames)
        }
    finally:
        image.close()


def alpha_of(path: Path) -> Plane:
    """The union matte of a file."""
    found = channels(path)
    return found["A"] if "A" in found else found["Y"]


def write_image(path: Path, pixels: npt.NDArray[Any], names: Iterable[str] = "RGB") -> Path:
    """An image file: half float for EXR, else 8 bits from 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_exr = path.suffix == ".exr"
    height, width, count = pixels.shape
    spec = oiio.ImageSpec(width, height, count, oiio.HALF if is_exr else oiio.UINT8)
    spec.channelnames = list(names)[:count]
    codes = pixels.astype(np.float16) if is_exr else np.rint(pixels * 255).astype(np.uint8)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(codes))
    assert output.close()
    return path


def long_plate(clip: SamplePaths, folder: Path, frames: int) -> Message:
    """The `plate` of a longer shot: links to the clip's frames, to and fro, from frame 1 on."""
    folder.mkdir()
    there = [*range(clip.first, clip.last), *range(clip.last, clip.first, -1)]
    plate = Pattern.parse(str(clip.acescg))
    for index in range(frames):
        source = plate.path(there[index % len(there)], "")
        (folder / f"plate.{index + 1:04d}.exr").symlink_to(source)
    return {
        "path": str(folder / "plate.####.exr"),
        "frames": {"first": 1, "last": frames},
    }


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of that size, mounted at a new folder; skips where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs a superuser who may")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
