"""What is fuzzed: each reader takes bytes from outside and may refuse them, nothing else.

A reader that raises anything but `AIRotoError` (or protobuf's own `DecodeError`, which gRPC turns
into a status) has a fault. Time and memory are watched by whoever runs them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import DecodeError

from airoto.errors import AIRotoError, error_from_dict
from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto.wire.caller import caller_of
from airoto.wire.chunks import Collector
from airoto.wire.jsonform import from_dict, to_dict
from airoto.wire.methods import METHODS
from airoto.wire.parts import from_wire, to_wire
from airoto.wire.status import error_from_detail, error_to_detail
from airoto_client.bridge_protocol import decode_line, encode_line
from airoto_client.nk.requests import kind_of, request_of
from airoto_client.nk.script import parse_script
from airoto_client.presets.reader import parse

Reader = Callable[[bytes], None]

# What an upload may hold here; the server's own limit is larger.
_UPLOAD_BYTES = 1 << 20


def read_recipe(data: bytes) -> None:
    """A recipe's file: form, content, canonical form, and there and back."""
    recipe = recipes.from_json(data)
    if recipes.check(recipe):
        return
    digest = recipes.recipe_hash(recipe)
    again = recipes.from_json(recipes.to_json(recipe))
    assert recipes.recipe_hash(again) == digest, "a recipe changes on its way to a file and back"


def read_wire(data: bytes) -> None:
    """A message of the wire: a method, `upload`, `error` or `line`, a zero, and its bytes."""
    name, _, body = data.partition(b"\0")
    what = name.decode("latin-1")
    if what in METHODS:
        message = METHODS[what].request.FromString(body)
        if isinstance(message, (pb.RenderRequest, pb.SegmentRequest, pb.MatteRequest)):
            recipes.check(message.recipe)
        from_dict(type(message), to_dict(message))
    elif what == "upload":
        _receive(body)
    elif what == "error":
        error_to_detail(error_from_detail(pb.ErrorDetail.FromString(body)))
    else:
        caller_of([("airoto-client", body.decode("utf-8", "replace")), ("airoto-request-id", body)])
        found = decode_line(body)
        encode_line(found)
        if isinstance(found.get("error"), dict):
            error_from_dict(found["error"])


def _receive(body: bytes) -> None:
    """An upload, cut into messages at length bytes."""
    collector = Collector(io.BytesIO(), max_bytes=_UPLOAD_BYTES)
    stream = io.BytesIO(body)
    while length := stream.read(1):
        part = from_wire(stream.read(length[0]))
        to_wire(part)
        collector.add(part)
    collector.finish()


def read_preset(data: bytes) -> None:
    """A preset's file."""
    parse(data.decode("utf-8", "replace"), "fuzzed.toml")


def read_nk(data: bytes) -> None:
    """A script of Nuke: its nodes, and what ours ask for."""
    script = parse_script(data.decode("utf-8", "surrogateescape"), "fuzzed.nk")
    for node in script.walk():
        if kind_of(node):
            request_of(node, Path("/shows/abc/fuzzed.nk"))


READERS: dict[str, Reader] = {
    "recipe": read_recipe,
    "wire": read_wire,
    "preset": read_preset,
    "nk": read_nk,
}


def tried(reader: Reader, data: bytes) -> bool:
    """Whether a reader takes the data; anything but a refusal is raised."""
    try:
        reader(data)
    except (AIRotoError, DecodeError):
        return False
    return True
