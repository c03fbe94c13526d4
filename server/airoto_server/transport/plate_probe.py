"""Finding out what a plate is: frames, format, views, layers, colour space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airoto.errors import FrameMismatchError, FrameMissingError
from airoto.sequence import compress_frames
from airoto_server.ops.geometry import Format, Window, scale_window
from airoto_server.transport.plate_files import PlateFiles

SCENE_LINEAR = "scene_linear"
DISPLAY = "display"

# Headers that are looked at, spread over the plate, for the data windows' union.
_SAMPLES = 16
_MAYBE_LOG = ("DPX", "Cineon")


@dataclass(frozen=True)
class PlateFacts:
    """What a plate was found to be.

    Attributes:
        frames: first and last.
        missing: frames between them that are not there, rising.
        format: full-resolution format, the files' size divided by the proxy scale. Its data
            window holds those of all frames looked at.
        views: of multi-view files, default first.
        layers: besides the main picture.
        is_movie: whether one file holds all frames.
        frame_rate: pictures per second of a movie, else 0.
        colour_space: what is assumed where the recipe names none: `scene_linear` for EXR and
            float files, `display` for the rest.
        notes: what was assumed, for people.
    """

    frames: tuple[int, int]
    missing: tuple[int, ...]
    format: Format
    views: tuple[str, ...]
    layers: tuple[str, ...]
    is_movie: bool
    frame_rate: float
    colour_space: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """What counts of one frame's header, whatever kind of file it is of."""

    kind: str
    display: tuple[int, int]
    window: Window
    pixel_aspect: float
    is_float: bool
    rate: float = 0.0
    views: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def probe(files: PlateFiles) -> PlateFacts:
    """What the plate is, from the headers of some of its files.

    Raises:
        FrameMissingError: no file, or no frame in the range.
        FrameUnreadableError, PathForbiddenError: as `PlateReader.read`.
        FrameMismatchError: files of different sizes.
    """
    frames, there = _range(files)
    missing: tuple[int, ...] = ()
    if not files.is_still:
        missing = tuple(sorted(set(range(frames[0], frames[1] + 1)) - set(there)))
    headers = {frame: _header(files, frame) for frame in _samples(files, there)}
    first, head = next(iter(headers.items()))
    window, notes = head.window, list(head.notes)
    for frame, header in headers.items():
        if header.display != head.display:
            raise FrameMismatchError(
                f"{files.label(frame)} is {header.display[0]}x{header.display[1]}, "
                f"{files.label(first)} is {head.display[0]}x{head.display[1]}",
                path=files.settings.path,
                frame=frame,
            )
        window = window.union(header.window)
        notes += [note for note in header.notes if note not in notes]
    if missing:
        notes.append(f"missing frames: {compress_frames(missing)}")
    space = _space(head)
    notes.append(f"without a colour space in the recipe, {head.kind} is taken as {space}")
    if head.kind in _MAYBE_LOG:
        notes.append(f"{head.kind} often holds log: name its colour space if it does")
    return PlateFacts(
        frames=frames,
        missing=missing,
        format=_format(head, window, files.settings.proxy_scale),
        views=head.views,
        layers=head.layers,
        is_movie=files.is_movie,
        frame_rate=head.rate,
        colour_space=space,
        notes=tuple(notes),
    )


def assumed_space(files: PlateFiles) -> str:
    """The colour space that is assumed where the recipe names none.

    Raises:
        as `probe`.
    """
    _, there = _range(files)
    return _space(_header(files, there[0]))


def _range(files: PlateFiles) -> tuple[tuple[int, int], tuple[int, ...]]:
    """The plate's first and last frame, and the frames in between that are there."""
    settings, declared = files.settings, files.pattern.declared_frames
    frames = settings.frames
    if files.is_still:
        frames = frames or (1, 1)
        return frames, frames[:1]
    there = files.available
    if frames is None and declared:
        frames = (declared[0], declared[-1])
    within = tuple(f for f in there if frames is None or frames[0] <= f <= frames[1])
    if not within:
        span = f" from {frames[0]} to {frames[1]}" if frames else ""
        raise FrameMissingError(
            f"{settings.path}: the plate has no frame{span}", path=settings.path
        )
    return frames or (within[0], within[-1]), within


def _samples(files: PlateFiles, there: tuple[int, ...]) -> list[int]:
    """Some of these frames, the first and the last among them."""
    if files.is_movie:
        return [there[0]]
    at = np.linspace(0, len(there) - 1, min(len(there), _SAMPLES)).round().astype(int)
    return [there[index] for index in at]


def _header(files: PlateFiles, frame: int) -> _Header:
    upload, label = files.upload(frame), files.label(frame)
    if upload is not None and upload.plane is not None:
        plane = upload.plane
        aspect = plane.pixel_aspect
        return _Header("a float plane", plane.display, plane.window, aspect, is_float=True)
    if files.is_movie:
        movie = files.decoder.probe_movie(files.file(frame), label=label)
        return _Header(
            kind="a movie",
            display=movie.display,
            window=Window.sized(*movie.display),
            pixel_aspect=movie.pixel_aspect,
            is_float=False,
            rate=movie.rate,
            notes=movie.notes,
        )
    path = files.file(frame) if upload is None else upload.path
    info = files.decoder.probe(path, label=label)
    return _Header(
        kind=info.format,
        display=info.display,
        window=info.data_window,
        pixel_aspect=info.pixel_aspect,
        is_float=info.is_float,
        views=info.views,
        layers=info.layers,
        notes=info.notes,
    )


def _space(header: _Header) -> str:
    return SCENE_LINEAR if header.is_float else DISPLAY


def _format(header: _Header, window: Window, proxy_scale: float) -> Format:
    """The full-resolution format behind files of that scale."""
    width, height = (max(1, round(side / proxy_scale)) for side in header.display)
    if window == Window.sized(*header.display):
        return Format(width, height, header.pixel_aspect)
    full = scale_window(window, 1 / proxy_scale)
    return Format(width, height, header.pixel_aspect, full)
