"""Any message to and from its JSON form: protobuf's JSON mapping, strictly.

Reading is stricter than protobuf's own: field names as in the .proto alone, enums by name,
no NaN, no key twice; and every wrong field is named by its path, not only the first.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from airoto.errors import BadRequestError, Violation
from airoto.wire.violations import refuse, shown

M = TypeVar("M", bound=Message)

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
# JSON readers that know doubles alone would round these, so the mapping writes them as text.
_WRITTEN_AS_TEXT = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys were given twice."""

    twice: tuple[str, ...] = ()


def is_repeated(field: Any) -> bool:
    """Whether a field is a list or map (`is_repeated` came with protobuf 6.31)."""
    return isinstance(field.default_value, list)


def is_map(field: Any) -> bool:
    """Whether a field is a map."""
    entry = field.message_type
    return entry is not None and bool(entry.GetOptions().map_entry)


def to_dict(message: Message) -> dict[str, Any]:
    """A message as a plain dict with the field names of the .proto; defaults are left out."""
    made: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return made


def from_dict(
    cls: type[M],
    data: object,
    *,
    what: str = "",
    error: type[BadRequestError] = BadRequestError,
) -> M:
    """The message that a dict in JSON form describes. `None` stands for an absent field.

    Args:
        cls: the message's class.
        data: a dict as `to_dict` or `load_json` gives it.
        what: what messages call it; the class's name if empty.
        error: what to raise.

    Raises:
        error: some fields are wrong; `violations` names all of them.
    """
    reader = _Reader()
    message = cls()
    reader.fill(message, data, "")
    refuse(what or cls.DESCRIPTOR.name, reader.violations, error)
    return message


def load_json(text: str | bytes, what: str, error: type[BadRequestError] = BadRequestError) -> Any:
    """Parse JSON for `from_dict`, which then also finds keys given twice.

    Args:
        text: JSON; bytes are UTF-8.
        what: what messages call it (a file's name).
        error: what to raise.

    Raises:
        error: it is no JSON; the message says in which line and column.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_object)
    except UnicodeDecodeError as exc:
        raise error(f"{what} is not UTF-8 text: byte {exc.start} is wrong") from exc
    except json.JSONDecodeError as exc:
        raise error(f"{what} is no JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except RecursionError as exc:
        raise error(f"{what} is nested too deeply") from exc
    except ValueError as exc:
        # Python refuses to convert numbers of thousands of digits.
        raise error(f"{what} is no JSON: {exc}") from exc


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        made.twice = tuple(name for name in made if names.count(name) > 1)
    return made


class _Reader:
    """Fills messages and collects what is wrong."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def _wrong(self, path: str, found: str, allowed: str) -> None:
        self.violations.append(Violation(path, found, allowed))

    def fill(self, message: Message, data: object, path: str) -> None:
        if not isinstance(data, Mapping):
            self._wrong(path, shown(data), "an object")
            return
        for name in getattr(data, "twice", ()):
            self._wrong(_join(path, name), "given twice", "once")
        descriptor: Any = message.DESCRIPTOR
        fields: dict[str, FieldDescriptor] = descriptor.fields_by_name
        chosen: dict[str, str] = {}
        for name, value in data.items():
            place = _join(path, name)
            field = fields.get(name) if isinstance(name, str) else None
            if field is None:
                self._wrong(place, "an unknown field", _known(descriptor, name))
                continue
            if value is None:
                continue
            if field.containing_oneof is not None:
                other = chosen.setdefault(field.containing_oneof.name, name)
                if other != name:
                    self._wrong(place, f"given beside {other}", "one of the two")
                    continue
            self._field(message, field, value, place)

    def _field(self, message: Message, field: FieldDescriptor, value: object, path: str) -> None:
        if is_map(field):
            self._map(getattr(message, field.name), field, value, path)
        elif is_repeated(field):
            self._list(getattr(message, field.name), field, value, path)
        elif field.message_type is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            self.fill(inner, value, path)
        else:
            scalar = self._scalar(field, value, path)
            if scalar is not None:
                # The name comes from the descriptor, not from the data.
                setattr(message, field.name, scalar)

    def _list(self, target: Any, field: FieldDescriptor, value: object, path: str) -> None:
        if not isinstance(value, (list, tuple)):
            self._wrong(path, shown(value), "a list")
            return
        for index, item in enumerate(value):
            place = f"{path}[{index}]"
            if field.message_type is not None:
                self.fill(target.add(), item, place)
            else:
                scalar = self._scalar(field, item, place)
                if scalar is not None:
                    target.append(scalar)

    def _map(self, target: Any, field: FieldDescriptor, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            self._wrong(path, shown(value), "an object")
            return
        entry: Any = field.message_type
        kinds = entry.fields_by_name
        for key, item in value.items():
            place = _join(path, key)
            name = self._scalar(kinds["key"], key, place)
            scalar = self._scalar(kinds["value"], item, place)
            if name is not None and scalar is not None:
                target[name] = scalar

    def _scalar(self, field: FieldDescriptor, value: object, path: str) -> Any:
        """The value as protobuf takes it, or None after noting why not."""
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            enum: Any = field.enum_type
            names = enum.values_by_name
            if isinstance(value, str) and value in names:
                return names[value].number
            allowed = ", ".join(names)
        elif kind == FieldDescriptor.CPPTYPE_BOOL:
            if isinstance(value, bool):
                return value
            allowed = "true or false"
        elif kind in _INTEGERS:
            low, high = _INTEGERS[kind]
            number = _integer(value, text=kind in _WRITTEN_AS_TEXT)
            if number is not None and low <= number <= high:
                return number
            allowed = f"a whole number from {low} to {high}"
        elif kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            real = _real(value)
            if real is not None:
                return real
            allowed = "a finite number"
        elif field.type == FieldDescriptor.TYPE_BYTES:
            data = _bytes(value)
            if data is not None:
                return data
            allowed = "base64 text"
        else:
            if isinstance(value, str) and _is_unicode(value):
                return value
            allowed = "text"
        self._wrong(path, shown(value), allowed)
        return None


def _integer(value: object, *, text: bool) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if text and isinstance(value, str) and len(value) <= 20 and value.lstrip("-").isdecimal():
        return int(value)
    return None


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None


def _bytes(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    plain = value.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _known(descriptor: Descriptor, name: object) -> str:
    """Which field may have been meant."""
    names = list(descriptor.fields_by_name)
    for field in descriptor.fields:
        if name == field.json_name:
            return f"{field.name}, as in the .proto file"
    near = difflib.get_close_matches(str(name), names, 1)
    if near:
        return f"{near[0]}, the nearest name"
    return ", ".join(names) or "none"
