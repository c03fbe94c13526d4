"""By what results are known: digests over everything that they depend on.

Every key begins with `basis`: the server's own code and the versions of the libraries. Add
what is on the way from the plate's bytes to the result, and nothing else: a key that leaves
something out gives old results, one that holds too much only costs time.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import platform
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

import airoto_server
from airoto import __version__
from airoto.wire import messages as pb
from airoto.wire.jsonform import to_dict
from airoto_server.engines.registry import Role
from airoto_server.ops.geometry import Working
from airoto_server.ops.seeds import seed_for
from airoto_server.sessions.paths import check_drawn_mask, drawn_as_is
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.workshop import Workshop, library_versions


def digest(*parts: object) -> str:
    """64 hex digits of plain values: text, numbers, booleans, None, and tuples of these."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@functools.cache
def basis() -> str:
    """What every result depends on: the code of this package, libraries, kind of machine."""
    root = Path(airoto_server.__file__).parent
    code = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        code.update(f"{path.relative_to(root)}\0".encode())
        code.update(hashlib.sha256(path.read_bytes()).digest())
    versions = tuple(sorted(library_versions().items()))
    return digest(__version__, code.hexdigest(), versions, platform.machine())


class Contents(Protocol):
    """`ContentAhead`, or the plain reader."""

    def of(self, frame: int) -> str:
        """`sha256:...` of what a frame is made of."""
        ...


class ShotKeys:
    """Keys of one shot's results.

    Args:
        contents: identities of the plate's frames.
        locked: digests of the approved files, by frame.
    """

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        contents: Contents,
        locked: dict[int, str],
    ) -> None:
        self._workshop = workshop
        self._shot = shot
        self._contents = contents
        self._locked = locked
        self._names = {one.id: one.name for one in shot.recipe.objects}
        self._prompts = {
            (one.id, prompt.frame): prompt for one in shot.recipe.objects for prompt in one.prompts
        }
        plate, colour = shot.recipe.plate, shot.frames.colour
        # A config's path says nothing: the same config may lie anywhere.
        settings = dataclasses.replace(colour.settings, config="", config_hash=colour.config_hash)
        self._plate_rules = (plate.layer, plate.view, shot.scale, repr(shot.format))
        self._colour_rules = (repr(settings), colour.describe())

    def plate(self, frame: int) -> str:
        """The pixels of a frame, and how they lie in the recipe's format."""
        return digest(basis(), "plate", self._contents.of(frame), *self._plate_rules)

    def picture(self, frame: int) -> str:
        """What segmenter and tracker see."""
        return digest("picture", self.plate(frame), *self._colour_rules, repr(self._shot.working))

    def engine(self, role: Role) -> tuple[str, ...] | None:
        """An engine as results depend on it; None where the recipe turns it off."""
        spec = self._shot.engines.get(role)
        if spec is None:
            return None
        residency = self._workshop.residency
        weights = residency.availability(spec).weights_sha256
        # Which of several devices of a kind it will be is not known yet, and does not matter.
        kinds = sorted({name.partition(":")[0] for name in self._workshop.settings.devices})
        facts = spec.facts
        return (facts.name, facts.version, weights, residency.precision, *kinds)

    def detected(self, frame: int, working: Working, asked: tuple[object, ...]) -> str:
        """What a detector finds on a frame.

        Args:
            working: the detector's own picture.
            asked: phrases and thresholds.
        """
        return digest(
            "detect",
            self.plate(frame),
            *self._colour_rules,
            repr(working),
            self.engine(Role.DETECTOR),
            asked,
        )

    def keyframe(self, object_id: int, frame: int) -> str:
        """The mask of an object on a frame where it is prompted or approved."""
        shot = self._shot
        if frame in self._locked:
            alone = len(self._names) == 1
            where = (*self._plate_rules, repr(shot.working), repr(shot.window))
            return digest(
                basis(), "approved", self._locked[frame], self._names[object_id], alone, *where
            )
        prompt = self._prompts[object_id, frame]
        said = pb.Prompt()
        said.CopyFrom(prompt)
        said.mask.path = ""
        return digest(
            "keyframe",
            self.picture(frame),
            json.dumps(to_dict(said), sort_keys=True),
            self.drawn(prompt),
            repr(shot.window),
            self.engine(Role.SEGMENTER),
            seed_for(shot.seed, "embed"),
            seed_for(shot.seed, "segment", frame, object_id),
        )

    def drawn(self, prompt: pb.Prompt) -> str:
        """The content of a prompt's drawn mask; empty where it has none."""
        if not prompt.HasField("mask"):
            return ""
        check_drawn_mask(prompt.mask)
        if prompt.mask.WhichOneof("source") == "image":
            return hashlib.sha256(prompt.mask.image).hexdigest()
        path = self._workshop.roots.check_read(Path(prompt.mask.path))
        return self._workshop.contents.of_file(path)

    def matte(self, object_id: int, frame: int, masks: Mapping[int, str]) -> str:
        """The alpha that is pulled from tracked masks.

        Args:
            masks: digests of the object's masks on the frame and on those around it that
                steady its edge; empty where it has none.
        """
        around = tuple((one, masks[one], *self._looks(object_id, one)) for one in sorted(masks))
        return digest("matte", around, *self._matting(object_id, frame))

    def subject(self, object_id: int, frame: int) -> str:
        """What a matter finds by itself."""
        return digest("subject", *self._matting(object_id, frame))

    def file(self, frame: int, tracked: tuple[object, ...], around: Collection[int]) -> str:
        """Everything in a matte's file but who asked for it.

        Args:
            tracked: keys of all tracked masks that its mattes are made from, by frame and group.
            around: frames whose pixels they are made from.
        """
        output = self._shot.recipe.output
        return digest(
            "file",
            tracked,
            tuple(
                (
                    one.id,
                    one.name,
                    *self._matting(one.id, frame),
                    *((other, *self._looks(one.id, other)) for other in sorted(around)),
                )
                for one in sorted(self._shot.recipe.objects, key=lambda one: one.id)
            ),
            Path(output.path).suffix.lower(),
            int(output.compression),
            (output.trimap, output.foreground, output.confidence),
        )

    def _matting(self, object_id: int, frame: int) -> tuple[object, ...]:
        """What an alpha depends on besides its mask."""
        shot = self._shot
        return (
            *self._looks(object_id, frame),
            *self._colour_rules,
            repr(shot.working),
            repr(shot.window),
            repr(shot.rules),
            self.engine(Role.MATTER),
            self._edges(),
            shot.seed,
            object_id,
            # Transparent things are found by a detector.
            (shot.see_through, self.engine(Role.DETECTOR), repr(shot.recipe.detect))
            if shot.see_through
            else None,
        )

    def _edges(self) -> tuple[str, ...] | None:
        """The tracker where it decides the boundary of a matte, which a matter does else."""
        tracker = self._shot.engines.get(Role.TRACKER)
        if Role.MATTER in self._shot.engines or tracker is None or tracker.edges is None:
            return None
        return self.engine(Role.TRACKER)

    def _looks(self, object_id: int, frame: int) -> tuple[object, ...]:
        """A frame's pixels, and what was drawn for it: a trimap, or a mask that stays as it is."""
        prompt = self._prompts.get((object_id, frame))
        if prompt is None or frame in self._locked or not prompt.HasField("mask"):
            return (self.plate(frame), None)
        as_is = drawn_as_is(prompt)
        return (self.plate(frame), int(prompt.mask.kind), self.drawn(prompt), as_is)
