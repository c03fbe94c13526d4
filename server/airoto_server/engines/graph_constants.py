"""Constants of a frozen TensorFlow graph, read without TensorFlow and without running anything.

A `GraphDef` is a protobuf message. Its few fields that hold constants are read here by their
numbers (graph.proto, node_def.proto, attr_value.proto and tensor.proto of TensorFlow); nodes that
compute are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from airoto.errors import EngineUnavailableError

# Field numbers: GraphDef.node; NodeDef.name, .op, .attr; an attribute's key and value in its map;
# AttrValue.tensor; TensorProto.dtype, .tensor_shape, .tensor_content, .float_val;
# TensorShapeProto.dim and the size in it.
_NODE, _NAME, _OP, _ATTR, _KEY, _VALUE, _TENSOR = 1, 1, 2, 5, 1, 2, 8
_DTYPE, _SHAPE, _CONTENT, _FLOATS, _DIM, _SIZE = 1, 2, 4, 5, 2, 1
_FLOAT32 = 1

Array = npt.NDArray[np.float32]
_Field = tuple[int, int | memoryview]


def read_constants(engine: str, path: Path) -> dict[str, Array]:
    """All float32 constants of a frozen graph, by the names of their nodes.

    Raises:
        EngineUnavailableError: unreadable, damaged, or no graph with such constants.
    """
    try:
        data = memoryview(path.read_bytes())
        found = dict(_constants(data))
    except (OSError, ValueError, IndexError) as exc:
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} cannot be read, it is damaged or no frozen "
            f"graph: {path} ({exc})",
            path=str(path),
        ) from exc
    if not found:
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} holds no network's weights: {path}",
            path=str(path),
        )
    return found


def _constants(graph: memoryview) -> Iterator[tuple[str, Array]]:
    # A constant may be longer than what is written of it, so that a few bytes could ask for any
    # amount of memory: all together hold no more values than the file has bytes.
    room = len(graph)
    for node in _messages(_fields(graph), _NODE):
        fields = list(_fields(node))
        if bytes(_bytes(fields, _OP)) != b"Const":
            continue
        for attribute in _messages(fields, _ATTR):
            entry = list(_fields(attribute))
            if bytes(_bytes(entry, _KEY)) != b"value":
                continue
            tensor = list(_fields(_bytes(list(_fields(_bytes(entry, _VALUE))), _TENSOR)))
            if _number(tensor, _DTYPE) == _FLOAT32:
                made = _array(tensor, room)
                room -= made.size
                yield bytes(_bytes(fields, _NAME)).decode("utf-8"), made


def _array(tensor: list[_Field], room: int) -> Array:
    """A tensor's values, of which there may be as many as `room`."""
    shape = [
        _number(list(_fields(dim)), _SIZE)
        for whole in _messages(tensor, _SHAPE)
        for dim in _messages(_fields(whole), _DIM)
    ]
    # Either all values as bytes, or the first ones as numbers, of which the last goes on.
    raw = b"".join(each for kind in (_CONTENT, _FLOATS) for each in _messages(tensor, kind))
    values = np.frombuffer(raw, "<f4").astype(np.float32)
    count = math.prod(shape)
    if not len(values) <= count <= room or not (len(values) or not count):
        raise ValueError(f"a constant of shape {shape} has {len(values)} values")
    return np.pad(values, (0, count - len(values)), mode="edge").reshape(shape)


def _messages(fields: Iterable[_Field], number: int) -> Iterator[memoryview]:
    """All of these fields, each of which has to be bytes."""
    for each, value in fields:
        if each == number:
            if isinstance(value, int):
                raise ValueError(f"field {number} is a number where bytes are due")
            yield value


def _bytes(fields: Iterable[_Field], number: int) -> memoryview:
    """The last of these fields, as protobuf has it; empty where there is none."""
    return [memoryview(b""), *_messages(fields, number)][-1]


def _number(fields: Iterable[_Field], number: int) -> int:
    """The last of these fields, as protobuf has it; 0 where there is none."""
    found = 0
    for each, value in fields:
        if each == number:
            if not isinstance(value, int):
                raise ValueError(f"field {number} is bytes where a number is due")
            found = value
    return found


def _fields(message: memoryview) -> Iterator[_Field]:
    """Number and value of each field: a whole number, or bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind} at byte {at}")
        if at + size > end:
            raise ValueError(f"a field of {size} bytes where {end - at} are left")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number that does not end at byte {at}")
