"""Which result belongs to which prompts: keys, manifests, verdicts.

Standard library only, no Nuke. The key of a result is made from everything its pixels depend on:
the recipe, the plate's identity, the locked frames. A result lies in a folder named by its key, so
an edit never changes what a finished result is, and an undo finds the old one again.
"""

# ruff: noqa: PTH116, PTH119, PTH208 - paths are text here, as knobs have them

from __future__ import annotations

import enum
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from airoto.errors import AIRotoError
from airoto.review import Seen as FrameNote
from airoto_client.files import write_error
from airoto_client.marks import provenance_of
from airoto_client.node.cache_paths import frame_path
from airoto_client.node.state import Lock

Header = Callable[[Path], "dict[str, Any] | None"]
_LEFT_OUT = (
    ("name",),
    ("plate", "path"),
    ("plate", "format"),  # the identity stands for both
    ("processing", "threads"),
    ("output", "path"),
    ("output", "overwrite"),
)


class Verdict(enum.Enum):
    """What a node's mattes are, for one frame or for all."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


def digest(data: Any) -> str:
    """32 hex digits of a JSON-able value, whatever the order of its keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def result_key(recipe: Mapping[str, Any], plate_identity: str, locks: Iterable[Lock]) -> str:
    """The key of the result that this recipe makes of this plate."""
    counted = json.loads(json.dumps(recipe))
    for place in _LEFT_OUT:
        inner = counted
        for name in place[:-1]:
            inner = inner.get(name, {})
        inner.pop(place[-1], None)
    for one in counted.get("objects", ()):
        one.pop("colour", None)
    # Of a preset's pin, what it allows decides what `auto` becomes; where it came from does not.
    rules = counted.pop("preset", {}).get("policy", ())
    if rules:
        counted["preset"] = [{**one, "preset": ""} for one in rules]
    return digest(
        [
            counted,
            plate_identity,
            [[lock.frame, lock.sha256 or lock.path, lock.objects] for lock in locks],
        ]
    )[:16]


@dataclass(frozen=True)
class Manifest:
    """What is known of one result.

    Attributes:
        key: from `result_key`.
        pattern: of its files.
        recipe_hash: the server's, which stands in every file's header too.
        objects: names in order.
        layers: extra ones that the files hold (trimap, foreground, confidence).
        frames: what was said of each finished frame.
        locked: frames that hold an approved file instead.
        plate_files: size and mtime of the plate's files by frame, where the node reads them
            itself.
        pixels: digest of the plate's pixels by frame, where the host rendered them and they
            were given to the server without a file.
        scale: size of the files relative to the full-size plate.
    """

    key: str
    pattern: str
    recipe_hash: str = ""
    objects: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    frames: Mapping[int, tuple[FrameNote, ...]] = field(default_factory=dict)
    locked: tuple[int, ...] = ()
    plate_files: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    pixels: Mapping[int, str] = field(default_factory=dict)
    scale: float = 1.0

    def with_frame(self, frame: int, notes: Iterable[FrameNote]) -> Manifest:
        """One more finished frame."""
        return replace(self, frames={**self.frames, frame: tuple(notes)})

    @property
    def finished(self) -> tuple[int, ...]:
        """Frames with a matte, rising."""
        return tuple(sorted({*self.frames, *self.locked}))


def write_manifest(path: str, manifest: Manifest) -> None:
    """Write it whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    place = Path(path)
    data = json.dumps(asdict(manifest), indent=1).encode()
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(place)
        finally:
            if temporary.exists():
                temporary.unlink()
    except OSError as exc:
        raise write_error(exc, place) from exc


def read_manifest(path: str) -> Manifest | None:
    """A result's manifest; None where there is none, or it is damaged."""
    try:
        data = json.loads(Path(path).read_bytes())
        return Manifest(
            key=str(data["key"]),
            pattern=str(data["pattern"]),
            recipe_hash=str(data["recipe_hash"]),
            objects=tuple(data["objects"]),
            layers=tuple(data["layers"]),
            frames={
                int(frame): tuple(FrameNote(**note) for note in notes)
                for frame, notes in data["frames"].items()
            },
            locked=tuple(data["locked"]),
            plate_files={int(f): (int(s), int(m)) for f, (s, m) in data["plate_files"].items()},
            pixels={int(frame): str(one) for frame, one in data.get("pixels", {}).items()},
            scale=float(data.get("scale", 1.0)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def verdict(shown_key: str, wanted_key: str, manifest: Manifest | None, frame: int) -> Verdict:
    """Whether what a node shows on a frame is what its prompts ask for.

    Args:
        shown_key: of the result that the node reads, or empty.
        wanted_key: of its recipe and plate as they are now.
        manifest: of the shown result.
    """
    if not shown_key or manifest is None:
        return Verdict.MISSING
    if shown_key != wanted_key or manifest.key != shown_key:
        return Verdict.STALE
    return Verdict.CURRENT if frame in manifest.finished else Verdict.MISSING


def check_file(manifest: Manifest, frame: int, pattern: str) -> str:
    """What is wrong with a frame's file, in words; empty if nothing is.

    Args:
        pattern: where the result lies now (the manifest's is where it was made).
    """
    path = Path(frame_path(pattern, frame))
    try:
        found = (provenance_of(path) or {}).get("recipe_hash", "")
    except AIRotoError as exc:
        return exc.message
    if frame in manifest.locked:
        return "" if found else f"{path} was not made by AIRoto"
    if found != manifest.recipe_hash:
        return f"{path} was made by another recipe"
    return ""


def adopted(
    manifest: Manifest, folder: str, frames: Iterable[int], header: Header = provenance_of
) -> Manifest | None:
    """A manifest with frames that others made into its folder, as a farm does; None for no news.

    Files of one result are made by one recipe. Where those that are not known yet were made by
    another than the known ones, the larger set counts.

    Args:
        manifest: what is known; without frames where nothing is.
        folder: where its files lie now.
        frames: that are looked for.
    """
    pattern = f"{folder}/{os.path.basename(manifest.pattern)}"
    try:
        there = set(os.listdir(folder))
    except OSError:
        return None
    known = set(manifest.finished)
    found: dict[str, dict[int, tuple[FrameNote, ...]]] = {}
    for frame in frames:
        path = frame_path(pattern, frame)
        if frame in known or os.path.basename(path) not in there:
            continue
        try:
            said = header(Path(path)) or {}
            notes = [
                FrameNote(int(key), float(one["confidence"]), float(one["area"]))
                for key, one in dict(said.get("objects", {})).items()
            ]
        except (AIRotoError, ValueError, KeyError, TypeError):
            continue
        if said.get("recipe_hash"):
            found.setdefault(str(said["recipe_hash"]), {})[frame] = tuple(notes)
    if manifest.recipe_hash in found:
        new = {**manifest.frames, **found[manifest.recipe_hash]}
        return replace(manifest, frames=new)
    if not found:
        return None
    recipe_hash, made = max(found.items(), key=lambda one: (len(one[1]), one[0]))
    if len(made) <= len(manifest.frames):
        return None
    return replace(manifest, recipe_hash=recipe_hash, frames=made)


def file_stamp(path: str) -> tuple[int, int] | None:
    """Size and mtime_ns of a file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
