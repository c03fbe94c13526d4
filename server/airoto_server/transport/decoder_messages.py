"""What the decoder and its child say to each other: one JSON object per line, and arrays.

Arrays lie one after the other in a file that both have open; a reply says where.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from airoto.errors import AIRotoError, FrameUnreadableError, InternalError, all_kinds
from airoto_server.ops.geometry import Window
from airoto_server.ops.imagefile import FileInfo, Frame, MaskImage
from airoto_server.ops.matte_file import MatteInfo
from airoto_server.ops.moviefile_info import MovieInfo

Array = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Result = FileInfo | MovieInfo | Frame | MaskImage | MatteInfo
R = TypeVar("R", bound=Result)

_RESULTS: dict[str, type[Result]] = {
    cls.__name__: cls for cls in (FileInfo, MovieInfo, Frame, MaskImage, MatteInfo)
}
_ARRAYS = ("pixels", "alpha", "mask")
_DTYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
# Linux writes and reads at most 2 GiB less a page in one call.
_PIECE = 1 << 30


@dataclass(frozen=True)
class Request:
    """One task for the child.

    Attributes:
        op: `probe`, `frame`, `mask`, `probe_movie`, `movie_frame`, `matte_info` or
            `matte_alpha` (`layer` is the object).
        path: absolute.
        label: how messages name the file.
        index: picture of a movie, from 0.
    """

    op: str
    path: str
    label: str
    layer: str = ""
    view: str = ""
    index: int = 0


def reply_with(result: Result, buffer: int) -> dict[str, Any]:
    """A result as JSON-able dict; its arrays go to the file `buffer` (a descriptor).

    Raises:
        OSError: the file cannot be written (the disk is full).
    """
    fields = {name: value for name, value in vars(result).items() if name not in _ARRAYS}
    for name, value in fields.items():
        if isinstance(value, Window):
            fields[name] = asdict(value)
    offset = 0
    arrays: dict[str, dict[str, Any]] = {}
    for name in _ARRAYS:
        array: Array | None = getattr(result, name, None)
        if array is None:
            continue
        contiguous: npt.NDArray[Any] = np.ascontiguousarray(array)
        _write(buffer, contiguous.data.cast("B"), offset)
        arrays[name] = {"offset": offset, "shape": array.shape, "dtype": array.dtype.name}
        offset += contiguous.nbytes
    return {"result": type(result).__name__, "fields": fields, "arrays": arrays}


def error_reply(error: AIRotoError) -> dict[str, Any]:
    """An error as JSON-able dict."""
    return {
        "error": {
            "kind": error.kind,
            "message": error.message,
            "hint": error.hint,
            "path": error.path,
        }
    }


def result_of(reply: Mapping[str, Any], buffer: int, expected: type[R], *, max_pixels: int) -> R:
    """The result in a reply, its arrays copied into own memory.

    Raises:
        AIRotoError: the error that the child replied with.
        InternalError: a reply that makes no sense; a damaged file may have taken the child over.
    """
    if "error" in reply:
        raise _error_of(reply["error"])
    try:
        if _RESULTS[reply["result"]] is not expected:
            raise ValueError(f"{reply['result']} instead of {expected.__name__}")
        fields = {name: _field(name, value) for name, value in reply["fields"].items()}
        for name, where in reply["arrays"].items():
            fields[name] = _array(buffer, where, max_pixels)
        if expected is Frame:
            fields.setdefault("alpha", None)
        return expected(**fields)
    except (KeyError, TypeError, ValueError, OSError) as exc:
        raise InternalError(f"the decoder gave a reply that makes no sense: {exc}") from exc


def _error_of(found: Mapping[str, Any]) -> AIRotoError:
    cls = all_kinds().get(found.get("kind", ""), FrameUnreadableError)
    return cls(str(found["message"]), hint=str(found["hint"]), path=str(found["path"]))


def _field(name: str, value: Any) -> Any:
    if name in ("window", "data_window"):
        return Window(**value)
    if isinstance(value, list):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return value


def _array(buffer: int, where: Mapping[str, Any], max_pixels: int) -> Array:
    height, width, *channels = (int(side) for side in where["shape"])
    if not (0 < height * width <= max_pixels and channels in ([], [3])):
        raise ValueError(f"an array of shape {where['shape']}")
    shape = (height, width, *channels)
    array: npt.NDArray[Any] = np.empty(shape, _DTYPES[where["dtype"]])
    # Not mapped: a file that got shorter would kill this process.
    view, offset = array.data.cast("B"), int(where["offset"])
    while view:
        got = os.preadv(buffer, [view[:_PIECE]], offset)
        if not got:
            raise ValueError("an array that is not there")
        view, offset = view[got:], offset + got
    return array


def _write(buffer: int, view: memoryview, offset: int) -> None:
    while view:
        put = os.pwrite(buffer, view[:_PIECE], offset)
        view, offset = view[put:], offset + put
