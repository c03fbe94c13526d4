"""Let the server see what a recipe names: by path where that is proved, else by sending it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airoto.errors import ColourError
from airoto.wire.jsonform import to_dict
from airoto.wire.messages import Plate, Recipe
from airoto_client.cli import events
from airoto_client.cli.reporting import Reporter
from airoto_client.launcher import Server
from airoto_client.link import Message
from airoto_client.sharing import LocalPlate, inline_mask, sees_file, upload_plate


@dataclass(frozen=True)
class SharedPlate:
    """A plate that the server can read.

    Attributes:
        uploads: `UploadedFrame` messages; none where the server sees the files.
        newest: when its files were last changed, in seconds since the epoch.
    """

    uploads: list[Message]
    newest: float


def share_plate(
    server: Server, reporter: Reporter, plate: Plate, frames: tuple[int, int] | None = None
) -> SharedPlate:
    """Upload the plate's frames where the server does not see them.

    Args:
        plate: its path absolute.
        frames: first and last wanted; None: all there are.

    Raises:
        PlateError: we cannot read the files ourselves.
    """
    local = LocalPlate.find(to_dict(plate))
    seen = sees_file(server.link, local.path(local.frames[0]))
    if seen.visible:
        return SharedPlate([], local.newest())
    reporter.event(
        events.note(f"the server does not see the plate ({seen.reason}), so it is uploaded")
    )
    first, last = frames or (local.frames[0], local.frames[-1])
    uploads = upload_plate(
        server.link,
        local,
        range(first, last + 1),
        server.info,
        lambda done, total: reporter.event(events.progress("upload", done, total)),
    )
    return SharedPlate(uploads, local.newest())


def share_files(server: Server, recipe: Recipe) -> Recipe:
    """The recipe with drawn masks inside it where the server does not see their files.

    Raises:
        PlateError: a mask cannot be read.
        ColourError: the server does not see the OCIO config.
    """
    made = Recipe()
    made.CopyFrom(recipe)
    for item in made.objects:
        for prompt in item.prompts:
            path = Path(prompt.mask.path)
            if prompt.mask.path and not sees_file(server.link, path).visible:
                prompt.mask.image = inline_mask(path)
    config = made.plate.colour.config
    if config and not config.startswith("ocio://"):
        seen = sees_file(server.link, Path(config))
        if not seen.visible:
            raise ColourError(
                f"the server does not see the OCIO config {config}: {seen.reason}",
                path=config,
                hint="put it where the server sees it, or name one of OpenColorIO's own: ocio://...",
            )
    return made


def probe(server: Server, reporter: Reporter, plate: Plate, shared: SharedPlate) -> Message:
    """`ProbePlateResponse` of a plate; what was assumed is told."""
    found = server.link.call(
        "ProbePlate", {"plate": to_dict(plate), "uploads": shared.uploads}, timeout=300.0
    )
    for note in found.get("notes", []):
        reporter.event(events.note(f"plate: {note}"))
    return found
