"""Writes the seeds that fuzzing starts from; they are made by our own code alone.

python tests/fuzz/make_seeds.py
"""

from __future__ import annotations

from pathlib import Path

from readers import READERS, tried

from airoto.errors import RecipeError, Violation, error_to_dict
from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto.wire.chunks import chunks_of_bytes
from airoto.wire.methods import METHODS
from airoto.wire.parts import to_wire
from airoto.wire.status import error_to_detail
from airoto_client.bridge_protocol import encode_line
from airoto_client.node import state as states
from airoto_client.node.asking import SeenPlate

SEEDS = Path(__file__).parent / "seeds"

_PRESETS = {
    "studio": b'format = 1\nversion = 3\nnote = "studio"\n[policy]\ncommercial_only = true\n',
    "show": b'format = 1\nversion = 1\nshow = "ABC"\nlock = ["matte.trimap"]\n'
    b"[matte.trimap]\nnarrow = 4\nwide = 12\n",
    "task": b'format = 1\nversion = 2\nshow = "ABC"\nsequence = "s010"\ntask = "hair hero"\n'
    b'inherits = "hair"\n[menu]\nnodes = ["AIRoto"]\nlabel = "Hair"\n'
    b'[policy]\nengines = ["classic-*"]\nlicences = ["MIT"]\nplates = ["/shows/abc"]\n',
    "wrong": b'format = 2\n[matte]\nedge = "x"\n[matte.trimap]\nwide = -1\n',
    "dates": b"format = 1\nversion = 1979-05-27T07:32:00Z\nx = [1, 2.5e3, 0xff, inf]\n",
}


_STATE = states.State(
    objects=(
        states.RotoObject(
            id=1,
            name="hero",
            colour="#ff9a3c",
            prompts=(states.Prompt(frame=1001, points=(states.Point(8.5, 4.5),)),),
        ),
    )
)
_SEEN = SeenPlate(
    "00" * 8,
    "11" * 8,
    file="/shows/abc/plate.%04d.exr",
    fields={"format": {"width": 1920, "height": 1080}, "colour": {"space": "ACEScg"}},
)
_SCRIPTS = {
    "graph": b"version 14.0 v5\nRoot {\n inputs 0\n name /shows/abc/s.nk\n}\n"
    b'Read {\n inputs 0\n file "a b.%04d.exr"\n first 1\n name Read1\n}\n'
    b"set N1 [stack 0]\nBlur {\n size {{curve x1 2 x9 5.5}}\n name Blur1\n}\n"
    b"push $N1\npush 0\nMerge2 {\n inputs 2\n name Merge1\n}\n",
    "group": b"Group {\n name Group1\n}\n Input {\n  inputs 0\n  name Input1\n }\n"
    b"# a comment\n Output {\n  name Output1\n }\nend_group\n",
    "ours": b'Group {\n name AIRoto1\n addUserKnob {20 t l ""}\n'
    b'addUserKnob {1 airoto_kind l "" +INVISIBLE}\n airoto_kind AIRoto\n'
    b'addUserKnob {1 state l "" +INVISIBLE}\n state "'
    + states.dump(_STATE).encode()
    + b'"\n addUserKnob {1 plate_seen l ""}\n plate_seen "'
    + _SEEN.dump().encode()
    + b'"\n addUserKnob {3 first l first}\n first 1001\n addUserKnob {3 last l last}\n last 1010\n'
    b"}\nend_group\n",
    "open": b"Group {\n name {a\n",
}


# Bytes that are no UTF-8, as an old locale writes them into a path.
_SCRIPTS["latin"] = _SCRIPTS["ours"].replace(b"plate.", b"pl\xe4te.")


def full_recipe() -> pb.Recipe:
    """A recipe with something in most of its fields."""
    recipe = pb.Recipe(version=1)
    plate = recipe.plate
    plate.path = "/shows/abc/plate.%04d.exr"
    plate.frames.first, plate.frames.last = 1001, 1010
    plate.format.width, plate.format.height = 1920, 1080
    plate.colour.space = "ACEScg"
    hero = recipe.objects.add(id=1, name="hero")
    prompt = hero.prompts.add(frame=1001)
    prompt.points.add(x=812.5, y=455.5)
    prompt.points.add(x=100.0, y=20.0, label=pb.PointLabel.POINT_LABEL_NEGATIVE)
    drawn = recipe.objects.add(id=2, name="prop").prompts.add(frame=1005)
    drawn.box.CopyFrom(pb.Box(x_min=1, y_min=2, x_max=30, y_max=40))
    recipe.segment.engine = "classic-segmenter"
    recipe.matte.engine = "auto"
    recipe.output.path = "/shows/abc/matte.%04d.exr"
    return recipe


def wire_seeds() -> dict[str, bytes]:
    """One message of each kind, behind what it is."""
    recipe = full_recipe()
    filled = {
        "Render": pb.RenderRequest(recipe=recipe, preview=True),
        "Segment": pb.SegmentRequest(recipe=recipe, frame=1001),
        "Matte": pb.MatteRequest(recipe=recipe, frame=1001, mask_handle="00" * 16),
        "Detect": pb.DetectRequest(recipe=recipe),
        "ProbePlate": pb.ProbePlateRequest(plate=recipe.plate),
        "ProvePath": pb.ProvePathRequest(path="/shows/abc/nonce", length=64),
        "Download": pb.DownloadRequest(handle="00" * 16, release=True),
    }
    seeds = {
        name.lower(): name.encode() + b"\0" + filled.get(name, method.request()).SerializeToString()
        for name, method in METHODS.items()
        if not method.client_streaming
    }
    plane = pb.RawPlane(width=4, height=3, channels=1, pixel_type=pb.PixelType.PIXEL_TYPE_HALF)
    parts = [to_wire(part) for part in chunks_of_bytes(plane, bytes(24))]
    seeds["plane"] = b"upload\0" + b"".join(bytes([len(part)]) + part for part in parts)
    file = pb.EncodedFile(name="a.exr")
    parts = [to_wire(part) for part in chunks_of_bytes(file, b"pixels")]
    seeds["file"] = b"upload\0" + b"".join(bytes([len(part)]) + part for part in parts)
    error = RecipeError("wrong", violations=(Violation("objects[0].id", "0", "1 and up"),))
    seeds["error"] = b"error\0" + error_to_detail(error).SerializeToString()
    seeds["line"] = b"line\0" + encode_line({"id": 1, "error": error_to_dict(error)})
    return seeds


def all_seeds() -> dict[str, dict[str, bytes]]:
    """Seeds by reader and name."""
    recipe = full_recipe()
    return {
        "recipe": {
            "full": recipes.to_json(recipe).encode(),
            "defaults": recipes.to_json(recipes.with_defaults(recipe)).encode(),
            "empty": b"{}\n",
            "newer": b'{"version": 99}\n',
        },
        "wire": wire_seeds(),
        "preset": _PRESETS,
        "nk": _SCRIPTS,
    }


def main() -> None:
    """Write them all."""
    for reader, seeds in all_seeds().items():
        folder = SEEDS / reader
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            tried(READERS[reader], data)
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
