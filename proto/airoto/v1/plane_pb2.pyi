from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PixelType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_TYPE_UNSPECIFIED: _ClassVar[PixelType]
    PIXEL_TYPE_HALF: _ClassVar[PixelType]
    PIXEL_TYPE_FLOAT: _ClassVar[PixelType]

class DigestKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIGEST_KIND_UNSPECIFIED: _ClassVar[DigestKind]
    DIGEST_KIND_BLAKE3: _ClassVar[DigestKind]
PIXEL_TYPE_UNSPECIFIED: PixelType
PIXEL_TYPE_HALF: PixelType
PIXEL_TYPE_FLOAT: PixelType
DIGEST_KIND_UNSPECIFIED: DigestKind
DIGEST_KIND_BLAKE3: DigestKind

class RawPlane(_message.Message):
    __slots__ = ("width", "height", "channels", "pixel_type", "x", "y", "display_width", "display_height", "pixel_aspect")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    PIXEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_WIDTH_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PIXEL_ASPECT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    channels: int
    pixel_type: PixelType
    x: int
    y: int
    display_width: int
    display_height: int
    pixel_aspect: float
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., channels: _Optional[int] = ..., pixel_type: _Optional[_Union[PixelType, str]] = ..., x: _Optional[int] = ..., y: _Optional[int] = ..., display_width: _Optional[int] = ..., display_height: _Optional[int] = ..., pixel_aspect: _Optional[float] = ...) -> None: ...

class EncodedFile(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class PlaneHeader(_message.Message):
    __slots__ = ("encoded", "raw", "size", "sha256", "digest_kind", "blake3")
    ENCODED_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    DIGEST_KIND_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    encoded: EncodedFile
    raw: RawPlane
    size: int
    sha256: str
    digest_kind: DigestKind
    blake3: str
    def __init__(self, encoded: _Optional[_Union[EncodedFile, _Mapping]] = ..., raw: _Optional[_Union[RawPlane, _Mapping]] = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ..., digest_kind: _Optional[_Union[DigestKind, str]] = ..., blake3: _Optional[str] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("header", "data", "sha256", "blake3")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    header: PlaneHeader
    data: bytes
    sha256: str
    blake3: str
    def __init__(self, header: _Optional[_Union[PlaneHeader, _Mapping]] = ..., data: _Optional[bytes] = ..., sha256: _Optional[str] = ..., blake3: _Optional[str] = ...) -> None: ...

class RingPlane(_message.Message):
    __slots__ = ("ring", "generation", "offset", "size", "plane")
    RING_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PLANE_FIELD_NUMBER: _ClassVar[int]
    ring: str
    generation: int
    offset: int
    size: int
    plane: RawPlane
    def __init__(self, ring: _Optional[str] = ..., generation: _Optional[int] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ..., plane: _Optional[_Union[RawPlane, _Mapping]] = ...) -> None: ...
