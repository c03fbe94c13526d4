"""Constants of a frozen TensorFlow graph, read without TensorFlow and without running anything.

A `GraphDef` is a protobuf message. Its few fields that hold constants are read here by their
numbers (graph.proto, node_def.proto, attr_value.proto and tensor.proto of TensorFlow); nodes that
compute are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    for number, node in _fields(graph):
        if number != _NODE:
            continue
        fields = list(_fields(node))
        if bytes(_one(fields, _OP)) != b"Const":
            continue
        for number, attribute in fields:
            if number != _ATTR:
                continue
            entry = list(_fields(attribute))
            if bytes(_one(entry, _KEY)) != b"value":
                continue
            tensor = list(_fields(_one(list(_fields(_one(entry, _VALUE))), _TENSOR)))
            if _one(tensor, _DTYPE) == _FLOAT32:
                yield bytes(_one(fields, _NAME)).decode("utf-8"), _array(tensor)


def _array(tensor: list[tuple[int, Any]]) -> Array:
    shape = [
        int(_one(list(_fields(dim)), _SIZE))
        for number, whole in tensor
        if number == _SHAPE
        for kind, dim in _fields(whole)
        if kind == _DIM
    ]
    # Either all values as bytes, or the first ones as numbers, of which the last goes on.
    raw = b"".join(bytes(value) for number, value in tensor if number in (_CONTENT, _FLOATS))
    values = np.frombuffer(raw, "<f4").astype(np.float32)
    count = math.prod(shape)
    if not len(values) <= count or not (len(values) or not count):
        raise ValueError(f"a constant of shape {shape} has {len(values)} values")
    return np.pad(values, (0, count - len(values)), mode="edge").reshape(shape)


def _one(fields: list[tuple[int, Any]], number: int) -> Any:
    """The last of these fields, as protobuf has it; empty where there is none."""
    return next((value for each, value in reversed(fields) if each == number), b"")


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: a whole number, or bytes."""
    if not isinstance(message, memoryview):
        raise ValueError("a number where a message is due")
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
