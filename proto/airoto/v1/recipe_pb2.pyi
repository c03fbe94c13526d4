from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MissingFrames(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MISSING_FRAMES_UNSPECIFIED: _ClassVar[MissingFrames]
    MISSING_FRAMES_ERROR: _ClassVar[MissingFrames]
    MISSING_FRAMES_HOLD: _ClassVar[MissingFrames]
    MISSING_FRAMES_SKIP: _ClassVar[MissingFrames]

class PointLabel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POINT_LABEL_UNSPECIFIED: _ClassVar[PointLabel]
    POINT_LABEL_POSITIVE: _ClassVar[PointLabel]
    POINT_LABEL_NEGATIVE: _ClassVar[PointLabel]

class DrawnMaskKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAWN_MASK_KIND_UNSPECIFIED: _ClassVar[DrawnMaskKind]
    DRAWN_MASK_KIND_MASK: _ClassVar[DrawnMaskKind]
    DRAWN_MASK_KIND_TRIMAP: _ClassVar[DrawnMaskKind]

class MemoryMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMORY_MODE_UNSPECIFIED: _ClassVar[MemoryMode]
    MEMORY_MODE_SEGMENT: _ClassVar[MemoryMode]
    MEMORY_MODE_SHOT: _ClassVar[MemoryMode]

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_BOTH: _ClassVar[Direction]
    DIRECTION_FORWARD: _ClassVar[Direction]
    DIRECTION_BACKWARD: _ClassVar[Direction]

class TrimapMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRIMAP_MODE_UNSPECIFIED: _ClassVar[TrimapMode]
    TRIMAP_MODE_ADAPTIVE: _ClassVar[TrimapMode]
    TRIMAP_MODE_FIXED: _ClassVar[TrimapMode]

class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPRESSION_UNSPECIFIED: _ClassVar[Compression]
    COMPRESSION_ZIPS: _ClassVar[Compression]
    COMPRESSION_DWAA: _ClassVar[Compression]
    COMPRESSION_PIZ: _ClassVar[Compression]
    COMPRESSION_NONE: _ClassVar[Compression]
    COMPRESSION_RLE: _ClassVar[Compression]

class Overwrite(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERWRITE_UNSPECIFIED: _ClassVar[Overwrite]
    OVERWRITE_RESUME: _ClassVar[Overwrite]
    OVERWRITE_REPLACE: _ClassVar[Overwrite]
    OVERWRITE_REFUSE: _ClassVar[Overwrite]
MISSING_FRAMES_UNSPECIFIED: MissingFrames
MISSING_FRAMES_ERROR: MissingFrames
MISSING_FRAMES_HOLD: MissingFrames
MISSING_FRAMES_SKIP: MissingFrames
POINT_LABEL_UNSPECIFIED: PointLabel
POINT_LABEL_POSITIVE: PointLabel
POINT_LABEL_NEGATIVE: PointLabel
DRAWN_MASK_KIND_UNSPECIFIED: DrawnMaskKind
DRAWN_MASK_KIND_MASK: DrawnMaskKind
DRAWN_MASK_KIND_TRIMAP: DrawnMaskKind
MEMORY_MODE_UNSPECIFIED: MemoryMode
MEMORY_MODE_SEGMENT: MemoryMode
MEMORY_MODE_SHOT: MemoryMode
DIRECTION_UNSPECIFIED: Direction
DIRECTION_BOTH: Direction
DIRECTION_FORWARD: Direction
DIRECTION_BACKWARD: Direction
TRIMAP_MODE_UNSPECIFIED: TrimapMode
TRIMAP_MODE_ADAPTIVE: TrimapMode
TRIMAP_MODE_FIXED: TrimapMode
COMPRESSION_UNSPECIFIED: Compression
COMPRESSION_ZIPS: Compression
COMPRESSION_DWAA: Compression
COMPRESSION_PIZ: Compression
COMPRESSION_NONE: Compression
COMPRESSION_RLE: Compression
OVERWRITE_UNSPECIFIED: Overwrite
OVERWRITE_RESUME: Overwrite
OVERWRITE_REPLACE: Overwrite
OVERWRITE_REFUSE: Overwrite

class Recipe(_message.Message):
    __slots__ = ("version", "name", "plate", "objects", "segment", "track", "matte", "processing", "output", "detect", "locked", "preset")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATE_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    MATTE_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    DETECT_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    plate: Plate
    objects: _containers.RepeatedCompositeFieldContainer[RotoObject]
    segment: Segment
    track: Track
    matte: Matte
    processing: Processing
    output: Output
    detect: Detect
    locked: _containers.RepeatedCompositeFieldContainer[LockedFrame]
    preset: PresetPin
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., plate: _Optional[_Union[Plate, _Mapping]] = ..., objects: _Optional[_Iterable[_Union[RotoObject, _Mapping]]] = ..., segment: _Optional[_Union[Segment, _Mapping]] = ..., track: _Optional[_Union[Track, _Mapping]] = ..., matte: _Optional[_Union[Matte, _Mapping]] = ..., processing: _Optional[_Union[Processing, _Mapping]] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., detect: _Optional[_Union[Detect, _Mapping]] = ..., locked: _Optional[_Iterable[_Union[LockedFrame, _Mapping]]] = ..., preset: _Optional[_Union[PresetPin, _Mapping]] = ...) -> None: ...

class Plate(_message.Message):
    __slots__ = ("path", "frames", "format", "colour", "view", "layer", "missing_frames", "proxy_scale", "movie_first_frame")
    PATH_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    MISSING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    PROXY_SCALE_FIELD_NUMBER: _ClassVar[int]
    MOVIE_FIRST_FRAME_FIELD_NUMBER: _ClassVar[int]
    path: str
    frames: FrameRange
    format: Format
    colour: Colour
    view: str
    layer: str
    missing_frames: MissingFrames
    proxy_scale: float
    movie_first_frame: int
    def __init__(self, path: _Optional[str] = ..., frames: _Optional[_Union[FrameRange, _Mapping]] = ..., format: _Optional[_Union[Format, _Mapping]] = ..., colour: _Optional[_Union[Colour, _Mapping]] = ..., view: _Optional[str] = ..., layer: _Optional[str] = ..., missing_frames: _Optional[_Union[MissingFrames, str]] = ..., proxy_scale: _Optional[float] = ..., movie_first_frame: _Optional[int] = ...) -> None: ...

class FrameRange(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class Format(_message.Message):
    __slots__ = ("width", "height", "pixel_aspect", "data_window")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PIXEL_ASPECT_FIELD_NUMBER: _ClassVar[int]
    DATA_WINDOW_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    pixel_aspect: float
    data_window: Window
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., pixel_aspect: _Optional[float] = ..., data_window: _Optional[_Union[Window, _Mapping]] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("x_min", "y_min", "x_max", "y_max")
    X_MIN_FIELD_NUMBER: _ClassVar[int]
    Y_MIN_FIELD_NUMBER: _ClassVar[int]
    X_MAX_FIELD_NUMBER: _ClassVar[int]
    Y_MAX_FIELD_NUMBER: _ClassVar[int]
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    def __init__(self, x_min: _Optional[int] = ..., y_min: _Optional[int] = ..., x_max: _Optional[int] = ..., y_max: _Optional[int] = ...) -> None: ...

class Colour(_message.Message):
    __slots__ = ("space", "config", "config_hash", "display", "view", "exposure")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    EXPOSURE_FIELD_NUMBER: _ClassVar[int]
    space: str
    config: str
    config_hash: str
    display: str
    view: str
    exposure: float
    def __init__(self, space: _Optional[str] = ..., config: _Optional[str] = ..., config_hash: _Optional[str] = ..., display: _Optional[str] = ..., view: _Optional[str] = ..., exposure: _Optional[float] = ...) -> None: ...

class RotoObject(_message.Message):
    __slots__ = ("id", "name", "colour", "group", "prompts")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    colour: str
    group: str
    prompts: _containers.RepeatedCompositeFieldContainer[Prompt]
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., colour: _Optional[str] = ..., group: _Optional[str] = ..., prompts: _Optional[_Iterable[_Union[Prompt, _Mapping]]] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("frame", "points", "box", "text", "mask", "candidate")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    frame: int
    points: _containers.RepeatedCompositeFieldContainer[Point]
    box: Box
    text: str
    mask: DrawnMask
    candidate: int
    def __init__(self, frame: _Optional[int] = ..., points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., text: _Optional[str] = ..., mask: _Optional[_Union[DrawnMask, _Mapping]] = ..., candidate: _Optional[int] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y", "label")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    label: PointLabel
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., label: _Optional[_Union[PointLabel, str]] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x_min", "y_min", "x_max", "y_max")
    X_MIN_FIELD_NUMBER: _ClassVar[int]
    Y_MIN_FIELD_NUMBER: _ClassVar[int]
    X_MAX_FIELD_NUMBER: _ClassVar[int]
    Y_MAX_FIELD_NUMBER: _ClassVar[int]
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    def __init__(self, x_min: _Optional[float] = ..., y_min: _Optional[float] = ..., x_max: _Optional[float] = ..., y_max: _Optional[float] = ...) -> None: ...

class DrawnMask(_message.Message):
    __slots__ = ("path", "image", "kind")
    PATH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    path: str
    image: bytes
    kind: DrawnMaskKind
    def __init__(self, path: _Optional[str] = ..., image: _Optional[bytes] = ..., kind: _Optional[_Union[DrawnMaskKind, str]] = ...) -> None: ...

class LockedFrame(_message.Message):
    __slots__ = ("frame", "path", "sha256")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    frame: int
    path: str
    sha256: str
    def __init__(self, frame: _Optional[int] = ..., path: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Detect(_message.Message):
    __slots__ = ("engine", "text", "frame", "box_threshold", "text_threshold", "max_overlap", "max_objects")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    BOX_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TEXT_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MAX_OVERLAP_FIELD_NUMBER: _ClassVar[int]
    MAX_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    engine: str
    text: str
    frame: int
    box_threshold: float
    text_threshold: float
    max_overlap: float
    max_objects: int
    def __init__(self, engine: _Optional[str] = ..., text: _Optional[str] = ..., frame: _Optional[int] = ..., box_threshold: _Optional[float] = ..., text_threshold: _Optional[float] = ..., max_overlap: _Optional[float] = ..., max_objects: _Optional[int] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("engine",)
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    engine: str
    def __init__(self, engine: _Optional[str] = ...) -> None: ...

class Track(_message.Message):
    __slots__ = ("engine", "memory_mode", "direction")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MODE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    engine: str
    memory_mode: MemoryMode
    direction: Direction
    def __init__(self, engine: _Optional[str] = ..., memory_mode: _Optional[_Union[MemoryMode, str]] = ..., direction: _Optional[_Union[Direction, str]] = ...) -> None: ...

class Matte(_message.Message):
    __slots__ = ("engine", "trimap", "grow", "feather", "remove_holes", "remove_dots", "transparent", "stability")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TRIMAP_FIELD_NUMBER: _ClassVar[int]
    GROW_FIELD_NUMBER: _ClassVar[int]
    FEATHER_FIELD_NUMBER: _ClassVar[int]
    REMOVE_HOLES_FIELD_NUMBER: _ClassVar[int]
    REMOVE_DOTS_FIELD_NUMBER: _ClassVar[int]
    TRANSPARENT_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    engine: str
    trimap: Trimap
    grow: float
    feather: float
    remove_holes: float
    remove_dots: float
    transparent: str
    stability: float
    def __init__(self, engine: _Optional[str] = ..., trimap: _Optional[_Union[Trimap, _Mapping]] = ..., grow: _Optional[float] = ..., feather: _Optional[float] = ..., remove_holes: _Optional[float] = ..., remove_dots: _Optional[float] = ..., transparent: _Optional[str] = ..., stability: _Optional[float] = ...) -> None: ...

class Trimap(_message.Message):
    __slots__ = ("mode", "narrow", "wide")
    MODE_FIELD_NUMBER: _ClassVar[int]
    NARROW_FIELD_NUMBER: _ClassVar[int]
    WIDE_FIELD_NUMBER: _ClassVar[int]
    mode: TrimapMode
    narrow: float
    wide: float
    def __init__(self, mode: _Optional[_Union[TrimapMode, str]] = ..., narrow: _Optional[float] = ..., wide: _Optional[float] = ...) -> None: ...

class Processing(_message.Message):
    __slots__ = ("working_size", "seed", "threads")
    WORKING_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    working_size: int
    seed: int
    threads: int
    def __init__(self, working_size: _Optional[int] = ..., seed: _Optional[int] = ..., threads: _Optional[int] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("path", "compression", "trimap", "foreground", "confidence", "overwrite")
    PATH_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    TRIMAP_FIELD_NUMBER: _ClassVar[int]
    FOREGROUND_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    path: str
    compression: Compression
    trimap: bool
    foreground: bool
    confidence: bool
    overwrite: Overwrite
    def __init__(self, path: _Optional[str] = ..., compression: _Optional[_Union[Compression, str]] = ..., trimap: bool = ..., foreground: bool = ..., confidence: bool = ..., overwrite: _Optional[_Union[Overwrite, str]] = ...) -> None: ...

class PresetPin(_message.Message):
    __slots__ = ("name", "version", "hash", "policy")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    hash: str
    policy: _containers.RepeatedCompositeFieldContainer[PolicyRule]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., hash: _Optional[str] = ..., policy: _Optional[_Iterable[_Union[PolicyRule, _Mapping]]] = ...) -> None: ...

class PolicyRule(_message.Message):
    __slots__ = ("preset", "engines", "licences", "commercial_only")
    PRESET_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    LICENCES_FIELD_NUMBER: _ClassVar[int]
    COMMERCIAL_ONLY_FIELD_NUMBER: _ClassVar[int]
    preset: str
    engines: _containers.RepeatedScalarFieldContainer[str]
    licences: _containers.RepeatedScalarFieldContainer[str]
    commercial_only: bool
    def __init__(self, preset: _Optional[str] = ..., engines: _Optional[_Iterable[str]] = ..., licences: _Optional[_Iterable[str]] = ..., commercial_only: bool = ...) -> None: ...
