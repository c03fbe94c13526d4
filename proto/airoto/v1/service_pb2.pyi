from airoto.v1 import errors_pb2 as _errors_pb2
from airoto.v1 import plane_pb2 as _plane_pb2
from airoto.v1 import recipe_pb2 as _recipe_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EngineRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENGINE_ROLE_UNSPECIFIED: _ClassVar[EngineRole]
    ENGINE_ROLE_DETECTOR: _ClassVar[EngineRole]
    ENGINE_ROLE_SEGMENTER: _ClassVar[EngineRole]
    ENGINE_ROLE_TRACKER: _ClassVar[EngineRole]
    ENGINE_ROLE_MATTER: _ClassVar[EngineRole]

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_RAW: _ClassVar[Encoding]
    ENCODING_EXR: _ClassVar[Encoding]
    ENCODING_PNG: _ClassVar[Encoding]

class Delivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_UNSPECIFIED: _ClassVar[Delivery]
    DELIVERY_WRITE: _ClassVar[Delivery]
    DELIVERY_HANDLES: _ClassVar[Delivery]

class RenderStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RENDER_STAGE_UNSPECIFIED: _ClassVar[RenderStage]
    RENDER_STAGE_TRACK: _ClassVar[RenderStage]
    RENDER_STAGE_MATTE: _ClassVar[RenderStage]

class FrameStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRAME_STATUS_UNSPECIFIED: _ClassVar[FrameStatus]
    FRAME_STATUS_DONE: _ClassVar[FrameStatus]
    FRAME_STATUS_KEPT: _ClassVar[FrameStatus]
    FRAME_STATUS_SKIPPED: _ClassVar[FrameStatus]

class ReviewReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_REASON_UNSPECIFIED: _ClassVar[ReviewReason]
    REVIEW_REASON_EMPTY: _ClassVar[ReviewReason]
    REVIEW_REASON_LOW_CONFIDENCE: _ClassVar[ReviewReason]
    REVIEW_REASON_AREA_JUMP: _ClassVar[ReviewReason]
    REVIEW_REASON_FLICKER: _ClassVar[ReviewReason]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_WAITING: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
ENGINE_ROLE_UNSPECIFIED: EngineRole
ENGINE_ROLE_DETECTOR: EngineRole
ENGINE_ROLE_SEGMENTER: EngineRole
ENGINE_ROLE_TRACKER: EngineRole
ENGINE_ROLE_MATTER: EngineRole
ENCODING_UNSPECIFIED: Encoding
ENCODING_RAW: Encoding
ENCODING_EXR: Encoding
ENCODING_PNG: Encoding
DELIVERY_UNSPECIFIED: Delivery
DELIVERY_WRITE: Delivery
DELIVERY_HANDLES: Delivery
RENDER_STAGE_UNSPECIFIED: RenderStage
RENDER_STAGE_TRACK: RenderStage
RENDER_STAGE_MATTE: RenderStage
FRAME_STATUS_UNSPECIFIED: FrameStatus
FRAME_STATUS_DONE: FrameStatus
FRAME_STATUS_KEPT: FrameStatus
FRAME_STATUS_SKIPPED: FrameStatus
REVIEW_REASON_UNSPECIFIED: ReviewReason
REVIEW_REASON_EMPTY: ReviewReason
REVIEW_REASON_LOW_CONFIDENCE: ReviewReason
REVIEW_REASON_AREA_JUMP: ReviewReason
REVIEW_REASON_FLICKER: ReviewReason
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_WAITING: JobState
JOB_STATE_RUNNING: JobState

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "devices", "engines", "limits", "pid", "uptime_seconds", "roots", "libraries", "ring_folder")
    class LibrariesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    RING_FOLDER_FIELD_NUMBER: _ClassVar[int]
    version: str
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    engines: _containers.RepeatedCompositeFieldContainer[EngineInfo]
    limits: Limits
    pid: int
    uptime_seconds: float
    roots: _containers.RepeatedScalarFieldContainer[str]
    libraries: _containers.ScalarMap[str, str]
    ring_folder: str
    def __init__(self, version: _Optional[str] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., engines: _Optional[_Iterable[_Union[EngineInfo, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., pid: _Optional[int] = ..., uptime_seconds: _Optional[float] = ..., roots: _Optional[_Iterable[str]] = ..., libraries: _Optional[_Mapping[str, str]] = ..., ring_folder: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("name", "description", "memory_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    memory_bytes: int
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class EngineInfo(_message.Message):
    __slots__ = ("name", "role", "description", "available", "reason", "is_default", "needs_weights", "weights_present", "licence", "commercial_use", "device", "precision", "weights_sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    NEEDS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PRESENT_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    COMMERCIAL_USE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: EngineRole
    description: str
    available: bool
    reason: str
    is_default: bool
    needs_weights: bool
    weights_present: bool
    licence: str
    commercial_use: bool
    device: str
    precision: str
    weights_sha256: str
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[EngineRole, str]] = ..., description: _Optional[str] = ..., available: bool = ..., reason: _Optional[str] = ..., is_default: bool = ..., needs_weights: bool = ..., weights_present: bool = ..., licence: _Optional[str] = ..., commercial_use: bool = ..., device: _Optional[str] = ..., precision: _Optional[str] = ..., weights_sha256: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("chunk_bytes", "max_upload_bytes", "max_frame_pixels", "max_frames", "max_objects", "max_points_per_prompt", "blake3", "max_ring_bytes")
    CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    MAX_POINTS_PER_PROMPT_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    MAX_RING_BYTES_FIELD_NUMBER: _ClassVar[int]
    chunk_bytes: int
    max_upload_bytes: int
    max_frame_pixels: int
    max_frames: int
    max_objects: int
    max_points_per_prompt: int
    blake3: bool
    max_ring_bytes: int
    def __init__(self, chunk_bytes: _Optional[int] = ..., max_upload_bytes: _Optional[int] = ..., max_frame_pixels: _Optional[int] = ..., max_frames: _Optional[int] = ..., max_objects: _Optional[int] = ..., max_points_per_prompt: _Optional[int] = ..., blake3: bool = ..., max_ring_bytes: _Optional[int] = ...) -> None: ...

class ProvePathRequest(_message.Message):
    __slots__ = ("path", "offset", "length")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    path: str
    offset: int
    length: int
    def __init__(self, path: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class ProvePathResponse(_message.Message):
    __slots__ = ("visible", "sha256", "size", "reason")
    VISIBLE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    visible: bool
    sha256: str
    size: int
    reason: str
    def __init__(self, visible: bool = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class UploadedFrame(_message.Message):
    __slots__ = ("frame", "handle")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    frame: int
    handle: str
    def __init__(self, frame: _Optional[int] = ..., handle: _Optional[str] = ...) -> None: ...

class ProbePlateRequest(_message.Message):
    __slots__ = ("plate", "uploads")
    PLATE_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    plate: _recipe_pb2.Plate
    uploads: _containers.RepeatedCompositeFieldContainer[UploadedFrame]
    def __init__(self, plate: _Optional[_Union[_recipe_pb2.Plate, _Mapping]] = ..., uploads: _Optional[_Iterable[_Union[UploadedFrame, _Mapping]]] = ...) -> None: ...

class ProbePlateResponse(_message.Message):
    __slots__ = ("plate", "missing_frames", "views", "layers", "is_movie", "frame_rate", "notes")
    PLATE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    IS_MOVIE_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    plate: _recipe_pb2.Plate
    missing_frames: _containers.RepeatedScalarFieldContainer[int]
    views: _containers.RepeatedScalarFieldContainer[str]
    layers: _containers.RepeatedScalarFieldContainer[str]
    is_movie: bool
    frame_rate: float
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, plate: _Optional[_Union[_recipe_pb2.Plate, _Mapping]] = ..., missing_frames: _Optional[_Iterable[int]] = ..., views: _Optional[_Iterable[str]] = ..., layers: _Optional[_Iterable[str]] = ..., is_movie: bool = ..., frame_rate: _Optional[float] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: _plane_pb2.Chunk
    def __init__(self, chunk: _Optional[_Union[_plane_pb2.Chunk, _Mapping]] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("handle", "sha256", "size", "blake3")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    handle: str
    sha256: str
    size: int
    blake3: str
    def __init__(self, handle: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ..., blake3: _Optional[str] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("handle", "encoding", "release", "blake3")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    handle: str
    encoding: Encoding
    release: bool
    blake3: bool
    def __init__(self, handle: _Optional[str] = ..., encoding: _Optional[_Union[Encoding, str]] = ..., release: bool = ..., blake3: bool = ...) -> None: ...

class DownloadResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: _plane_pb2.Chunk
    def __init__(self, chunk: _Optional[_Union[_plane_pb2.Chunk, _Mapping]] = ...) -> None: ...

class AttachRingRequest(_message.Message):
    __slots__ = ("ring", "size", "nonce", "process", "file")
    RING_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    ring: str
    size: int
    nonce: bytes
    process: int
    file: int
    def __init__(self, ring: _Optional[str] = ..., size: _Optional[int] = ..., nonce: _Optional[bytes] = ..., process: _Optional[int] = ..., file: _Optional[int] = ...) -> None: ...

class AttachRingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DetachRingRequest(_message.Message):
    __slots__ = ("ring",)
    RING_FIELD_NUMBER: _ClassVar[int]
    ring: str
    def __init__(self, ring: _Optional[str] = ...) -> None: ...

class DetachRingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TakePlaneRequest(_message.Message):
    __slots__ = ("source", "digest")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    source: _plane_pb2.RingPlane
    digest: bool
    def __init__(self, source: _Optional[_Union[_plane_pb2.RingPlane, _Mapping]] = ..., digest: bool = ...) -> None: ...

class TakePlaneResponse(_message.Message):
    __slots__ = ("handle", "sha256")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    handle: str
    sha256: str
    def __init__(self, handle: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class PutPlaneRequest(_message.Message):
    __slots__ = ("handle", "target", "release", "digest", "digest_kind")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DIGEST_KIND_FIELD_NUMBER: _ClassVar[int]
    handle: str
    target: _plane_pb2.RingPlane
    release: bool
    digest: bool
    digest_kind: _plane_pb2.DigestKind
    def __init__(self, handle: _Optional[str] = ..., target: _Optional[_Union[_plane_pb2.RingPlane, _Mapping]] = ..., release: bool = ..., digest: bool = ..., digest_kind: _Optional[_Union[_plane_pb2.DigestKind, str]] = ...) -> None: ...

class ReadMatteRequest(_message.Message):
    __slots__ = ("handle", "object")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    handle: str
    object: str
    def __init__(self, handle: _Optional[str] = ..., object: _Optional[str] = ...) -> None: ...

class ReadMatteResponse(_message.Message):
    __slots__ = ("handle", "plane")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    PLANE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    plane: _plane_pb2.RawPlane
    def __init__(self, handle: _Optional[str] = ..., plane: _Optional[_Union[_plane_pb2.RawPlane, _Mapping]] = ...) -> None: ...

class PutPlaneResponse(_message.Message):
    __slots__ = ("plane", "sha256", "blake3")
    PLANE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    plane: _plane_pb2.RawPlane
    sha256: str
    blake3: str
    def __init__(self, plane: _Optional[_Union[_plane_pb2.RawPlane, _Mapping]] = ..., sha256: _Optional[str] = ..., blake3: _Optional[str] = ...) -> None: ...

class DetectRequest(_message.Message):
    __slots__ = ("recipe", "uploads")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    recipe: _recipe_pb2.Recipe
    uploads: _containers.RepeatedCompositeFieldContainer[UploadedFrame]
    def __init__(self, recipe: _Optional[_Union[_recipe_pb2.Recipe, _Mapping]] = ..., uploads: _Optional[_Iterable[_Union[UploadedFrame, _Mapping]]] = ...) -> None: ...

class DetectResponse(_message.Message):
    __slots__ = ("objects", "phrases_not_found", "provenance")
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    PHRASES_NOT_FOUND_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[FoundObject]
    phrases_not_found: _containers.RepeatedScalarFieldContainer[str]
    provenance: Provenance
    def __init__(self, objects: _Optional[_Iterable[_Union[FoundObject, _Mapping]]] = ..., phrases_not_found: _Optional[_Iterable[str]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class FoundObject(_message.Message):
    __slots__ = ("object_id", "name", "phrase", "words", "score", "box")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    object_id: int
    name: str
    phrase: str
    words: str
    score: float
    box: _recipe_pb2.Box
    def __init__(self, object_id: _Optional[int] = ..., name: _Optional[str] = ..., phrase: _Optional[str] = ..., words: _Optional[str] = ..., score: _Optional[float] = ..., box: _Optional[_Union[_recipe_pb2.Box, _Mapping]] = ...) -> None: ...

class SegmentRequest(_message.Message):
    __slots__ = ("recipe", "frame", "uploads")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    recipe: _recipe_pb2.Recipe
    frame: int
    uploads: _containers.RepeatedCompositeFieldContainer[UploadedFrame]
    def __init__(self, recipe: _Optional[_Union[_recipe_pb2.Recipe, _Mapping]] = ..., frame: _Optional[int] = ..., uploads: _Optional[_Iterable[_Union[UploadedFrame, _Mapping]]] = ...) -> None: ...

class SegmentResponse(_message.Message):
    __slots__ = ("objects", "provenance")
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[ObjectCandidates]
    provenance: Provenance
    def __init__(self, objects: _Optional[_Iterable[_Union[ObjectCandidates, _Mapping]]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class ObjectCandidates(_message.Message):
    __slots__ = ("object_id", "candidates")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    object_id: int
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    def __init__(self, object_id: _Optional[int] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("mask_handle", "score", "bounds", "area")
    MASK_HANDLE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    mask_handle: str
    score: float
    bounds: _recipe_pb2.Box
    area: int
    def __init__(self, mask_handle: _Optional[str] = ..., score: _Optional[float] = ..., bounds: _Optional[_Union[_recipe_pb2.Box, _Mapping]] = ..., area: _Optional[int] = ...) -> None: ...

class MatteRequest(_message.Message):
    __slots__ = ("recipe", "frame", "uploads", "mask", "trimap", "mask_handle", "trimap_handle", "foreground")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    TRIMAP_FIELD_NUMBER: _ClassVar[int]
    MASK_HANDLE_FIELD_NUMBER: _ClassVar[int]
    TRIMAP_HANDLE_FIELD_NUMBER: _ClassVar[int]
    FOREGROUND_FIELD_NUMBER: _ClassVar[int]
    recipe: _recipe_pb2.Recipe
    frame: int
    uploads: _containers.RepeatedCompositeFieldContainer[UploadedFrame]
    mask: _recipe_pb2.DrawnMask
    trimap: _recipe_pb2.DrawnMask
    mask_handle: str
    trimap_handle: str
    foreground: bool
    def __init__(self, recipe: _Optional[_Union[_recipe_pb2.Recipe, _Mapping]] = ..., frame: _Optional[int] = ..., uploads: _Optional[_Iterable[_Union[UploadedFrame, _Mapping]]] = ..., mask: _Optional[_Union[_recipe_pb2.DrawnMask, _Mapping]] = ..., trimap: _Optional[_Union[_recipe_pb2.DrawnMask, _Mapping]] = ..., mask_handle: _Optional[str] = ..., trimap_handle: _Optional[str] = ..., foreground: bool = ...) -> None: ...

class MatteResponse(_message.Message):
    __slots__ = ("alpha_handle", "trimap_handle", "foreground_handle", "provenance", "confidence", "notes")
    ALPHA_HANDLE_FIELD_NUMBER: _ClassVar[int]
    TRIMAP_HANDLE_FIELD_NUMBER: _ClassVar[int]
    FOREGROUND_HANDLE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    alpha_handle: str
    trimap_handle: str
    foreground_handle: str
    provenance: Provenance
    confidence: float
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, alpha_handle: _Optional[str] = ..., trimap_handle: _Optional[str] = ..., foreground_handle: _Optional[str] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., confidence: _Optional[float] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class RenderRequest(_message.Message):
    __slots__ = ("recipe", "frames", "delivery", "uploads", "preview", "locked", "part")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    recipe: _recipe_pb2.Recipe
    frames: _recipe_pb2.FrameRange
    delivery: Delivery
    uploads: _containers.RepeatedCompositeFieldContainer[UploadedFrame]
    preview: bool
    locked: _containers.RepeatedCompositeFieldContainer[UploadedFrame]
    part: RenderPart
    def __init__(self, recipe: _Optional[_Union[_recipe_pb2.Recipe, _Mapping]] = ..., frames: _Optional[_Union[_recipe_pb2.FrameRange, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, str]] = ..., uploads: _Optional[_Iterable[_Union[UploadedFrame, _Mapping]]] = ..., preview: bool = ..., locked: _Optional[_Iterable[_Union[UploadedFrame, _Mapping]]] = ..., part: _Optional[_Union[RenderPart, _Mapping]] = ...) -> None: ...

class RenderPart(_message.Message):
    __slots__ = ("stage", "group", "may_track")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MAY_TRACK_FIELD_NUMBER: _ClassVar[int]
    stage: RenderStage
    group: str
    may_track: bool
    def __init__(self, stage: _Optional[_Union[RenderStage, str]] = ..., group: _Optional[str] = ..., may_track: bool = ...) -> None: ...

class RenderResponse(_message.Message):
    __slots__ = ("plan", "frame", "progress", "warning", "preview", "summary", "queue", "review")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    plan: RenderPlan
    frame: FrameResult
    progress: Progress
    warning: Warning
    preview: PreviewFile
    summary: RenderSummary
    queue: QueuePlace
    review: Review
    def __init__(self, plan: _Optional[_Union[RenderPlan, _Mapping]] = ..., frame: _Optional[_Union[FrameResult, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., warning: _Optional[_Union[Warning, _Mapping]] = ..., preview: _Optional[_Union[PreviewFile, _Mapping]] = ..., summary: _Optional[_Union[RenderSummary, _Mapping]] = ..., queue: _Optional[_Union[QueuePlace, _Mapping]] = ..., review: _Optional[_Union[Review, _Mapping]] = ...) -> None: ...

class QueuePlace(_message.Message):
    __slots__ = ("position", "running", "wait_seconds")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    position: int
    running: int
    wait_seconds: float
    def __init__(self, position: _Optional[int] = ..., running: _Optional[int] = ..., wait_seconds: _Optional[float] = ...) -> None: ...

class RenderPlan(_message.Message):
    __slots__ = ("recipe_hash", "provenance", "frames_to_deliver", "frames_kept", "found")
    RECIPE_HASH_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    FRAMES_TO_DELIVER_FIELD_NUMBER: _ClassVar[int]
    FRAMES_KEPT_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    recipe_hash: str
    provenance: Provenance
    frames_to_deliver: int
    frames_kept: _containers.RepeatedScalarFieldContainer[int]
    found: _containers.RepeatedCompositeFieldContainer[FoundObject]
    def __init__(self, recipe_hash: _Optional[str] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., frames_to_deliver: _Optional[int] = ..., frames_kept: _Optional[_Iterable[int]] = ..., found: _Optional[_Iterable[_Union[FoundObject, _Mapping]]] = ...) -> None: ...

class FrameResult(_message.Message):
    __slots__ = ("frame", "status", "path", "handle", "objects")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    frame: int
    status: FrameStatus
    path: str
    handle: str
    objects: _containers.RepeatedCompositeFieldContainer[ObjectResult]
    def __init__(self, frame: _Optional[int] = ..., status: _Optional[_Union[FrameStatus, str]] = ..., path: _Optional[str] = ..., handle: _Optional[str] = ..., objects: _Optional[_Iterable[_Union[ObjectResult, _Mapping]]] = ...) -> None: ...

class ObjectResult(_message.Message):
    __slots__ = ("object_id", "confidence", "area")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    object_id: int
    confidence: float
    area: float
    def __init__(self, object_id: _Optional[int] = ..., confidence: _Optional[float] = ..., area: _Optional[float] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "done", "total", "seconds_left", "fraction")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    stage: str
    done: int
    total: int
    seconds_left: float
    fraction: float
    def __init__(self, stage: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., seconds_left: _Optional[float] = ..., fraction: _Optional[float] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("message", "frame")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    message: str
    frame: int
    def __init__(self, message: _Optional[str] = ..., frame: _Optional[int] = ...) -> None: ...

class Review(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[FrameToReview]
    def __init__(self, frames: _Optional[_Iterable[_Union[FrameToReview, _Mapping]]] = ...) -> None: ...

class FrameToReview(_message.Message):
    __slots__ = ("frame", "object_id", "reason", "weight", "message")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    frame: int
    object_id: int
    reason: ReviewReason
    weight: float
    message: str
    def __init__(self, frame: _Optional[int] = ..., object_id: _Optional[int] = ..., reason: _Optional[_Union[ReviewReason, str]] = ..., weight: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class PreviewFile(_message.Message):
    __slots__ = ("kind", "handle", "name")
    KIND_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    handle: str
    name: str
    def __init__(self, kind: _Optional[str] = ..., handle: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class RenderSummary(_message.Message):
    __slots__ = ("done", "kept", "skipped", "seconds", "stage_seconds", "problems", "stage_made", "stage_cached")
    class StageSecondsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class StageMadeEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class StageCachedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DONE_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    STAGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    STAGE_MADE_FIELD_NUMBER: _ClassVar[int]
    STAGE_CACHED_FIELD_NUMBER: _ClassVar[int]
    done: int
    kept: int
    skipped: int
    seconds: float
    stage_seconds: _containers.ScalarMap[str, float]
    problems: _containers.RepeatedCompositeFieldContainer[_errors_pb2.ErrorDetail]
    stage_made: _containers.ScalarMap[str, int]
    stage_cached: _containers.ScalarMap[str, int]
    def __init__(self, done: _Optional[int] = ..., kept: _Optional[int] = ..., skipped: _Optional[int] = ..., seconds: _Optional[float] = ..., stage_seconds: _Optional[_Mapping[str, float]] = ..., problems: _Optional[_Iterable[_Union[_errors_pb2.ErrorDetail, _Mapping]]] = ..., stage_made: _Optional[_Mapping[str, int]] = ..., stage_cached: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("airoto_version", "engines", "working_width", "working_height", "colour", "threads", "choices")
    class ChoicesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AIROTO_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    WORKING_WIDTH_FIELD_NUMBER: _ClassVar[int]
    WORKING_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    airoto_version: str
    engines: _containers.RepeatedCompositeFieldContainer[EngineUse]
    working_width: int
    working_height: int
    colour: str
    threads: int
    choices: _containers.ScalarMap[str, str]
    def __init__(self, airoto_version: _Optional[str] = ..., engines: _Optional[_Iterable[_Union[EngineUse, _Mapping]]] = ..., working_width: _Optional[int] = ..., working_height: _Optional[int] = ..., colour: _Optional[str] = ..., threads: _Optional[int] = ..., choices: _Optional[_Mapping[str, str]] = ...) -> None: ...

class EngineUse(_message.Message):
    __slots__ = ("role", "name", "version", "weights_sha256", "device", "precision")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    role: EngineRole
    name: str
    version: str
    weights_sha256: str
    device: str
    precision: str
    def __init__(self, role: _Optional[_Union[EngineRole, str]] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., weights_sha256: _Optional[str] = ..., device: _Optional[str] = ..., precision: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("metrics",)
    METRICS_FIELD_NUMBER: _ClassVar[int]
    metrics: bool
    def __init__(self, metrics: bool = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "pid", "uptime_seconds", "devices", "models", "jobs", "stores", "process", "page_url", "metrics")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    STORES_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    PAGE_URL_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    version: str
    pid: int
    uptime_seconds: float
    devices: _containers.RepeatedCompositeFieldContainer[DeviceStatus]
    models: _containers.RepeatedCompositeFieldContainer[ModelStatus]
    jobs: _containers.RepeatedCompositeFieldContainer[JobStatus]
    stores: _containers.RepeatedCompositeFieldContainer[StoreStatus]
    process: ProcessStatus
    page_url: str
    metrics: str
    def __init__(self, version: _Optional[str] = ..., pid: _Optional[int] = ..., uptime_seconds: _Optional[float] = ..., devices: _Optional[_Iterable[_Union[DeviceStatus, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[ModelStatus, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[JobStatus, _Mapping]]] = ..., stores: _Optional[_Iterable[_Union[StoreStatus, _Mapping]]] = ..., process: _Optional[_Union[ProcessStatus, _Mapping]] = ..., page_url: _Optional[str] = ..., metrics: _Optional[str] = ...) -> None: ...

class DeviceStatus(_message.Message):
    __slots__ = ("name", "memory_bytes", "free_bytes", "held_bytes", "busy", "clicks_waiting", "jobs_running", "load")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    CLICKS_WAITING_FIELD_NUMBER: _ClassVar[int]
    JOBS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    name: str
    memory_bytes: int
    free_bytes: int
    held_bytes: int
    busy: bool
    clicks_waiting: int
    jobs_running: int
    load: float
    def __init__(self, name: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., free_bytes: _Optional[int] = ..., held_bytes: _Optional[int] = ..., busy: bool = ..., clicks_waiting: _Optional[int] = ..., jobs_running: _Optional[int] = ..., load: _Optional[float] = ...) -> None: ...

class ModelStatus(_message.Message):
    __slots__ = ("device", "name", "bytes", "tier", "leases", "pinned")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    device: str
    name: str
    bytes: int
    tier: str
    leases: int
    pinned: bool
    def __init__(self, device: _Optional[str] = ..., name: _Optional[str] = ..., bytes: _Optional[int] = ..., tier: _Optional[str] = ..., leases: _Optional[int] = ..., pinned: bool = ...) -> None: ...

class JobStatus(_message.Message):
    __slots__ = ("request_id", "client", "name", "recipe_hash", "state", "device", "position", "wait_seconds", "stage", "done", "total", "seconds_left", "seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECIPE_HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    client: str
    name: str
    recipe_hash: str
    state: JobState
    device: str
    position: int
    wait_seconds: float
    stage: str
    done: int
    total: int
    seconds_left: float
    seconds: float
    def __init__(self, request_id: _Optional[str] = ..., client: _Optional[str] = ..., name: _Optional[str] = ..., recipe_hash: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., device: _Optional[str] = ..., position: _Optional[int] = ..., wait_seconds: _Optional[float] = ..., stage: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., seconds_left: _Optional[float] = ..., seconds: _Optional[float] = ...) -> None: ...

class StoreStatus(_message.Message):
    __slots__ = ("name", "entries", "bytes", "limit_bytes", "hits", "misses")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    name: str
    entries: int
    bytes: int
    limit_bytes: int
    hits: int
    misses: int
    def __init__(self, name: _Optional[str] = ..., entries: _Optional[int] = ..., bytes: _Optional[int] = ..., limit_bytes: _Optional[int] = ..., hits: _Optional[int] = ..., misses: _Optional[int] = ...) -> None: ...

class ProcessStatus(_message.Message):
    __slots__ = ("resident_bytes", "decoder_bytes", "decoders", "decoder_restarts", "threads", "calls_running")
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    DECODER_BYTES_FIELD_NUMBER: _ClassVar[int]
    DECODERS_FIELD_NUMBER: _ClassVar[int]
    DECODER_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    CALLS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    resident_bytes: int
    decoder_bytes: int
    decoders: int
    decoder_restarts: int
    threads: int
    calls_running: int
    def __init__(self, resident_bytes: _Optional[int] = ..., decoder_bytes: _Optional[int] = ..., decoders: _Optional[int] = ..., decoder_restarts: _Optional[int] = ..., threads: _Optional[int] = ..., calls_running: _Optional[int] = ...) -> None: ...
