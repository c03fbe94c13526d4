"""What the bytes of a transfer are checked with: SHA-256, or BLAKE3 where both sides know it.

Moving pixels through a socket takes little longer than SHA-256 over them; BLAKE3 is as strong
and takes a quarter. What a file or a frame *is* (in recipes, in keys of results) stays SHA-256.
"""

from __future__ import annotations

import enum
import hashlib
import re
from typing import Any, Protocol

from airoto.errors import BadRequestError
from airoto.wire.messages import DigestKind, PlaneHeader, PutPlaneRequest

blake3: Any
try:
    from blake3 import blake3
except ImportError:  # a host that carries few packages may do without; SHA-256 is always there
    blake3 = None

_HEX = re.compile(r"[0-9a-f]{64}")


class Kind(enum.Enum):
    """A kind of digest; its value names the fields that hold one."""

    SHA256 = "sha256"
    BLAKE3 = "blake3"


# Whether we can take BLAKE3; a peer is told.
KNOWS_BLAKE3 = blake3 is not None


class Running(Protocol):
    """A digest on its way."""

    def update(self, data: bytes | bytearray | memoryview) -> object: ...

    def hexdigest(self) -> str: ...


def running(kind: Kind) -> Running:
    """A digest of nothing yet.

    Raises:
        BadRequestError: of a kind that we cannot take.
    """
    if kind is Kind.SHA256:
        return hashlib.sha256()
    if not KNOWS_BLAKE3:
        raise BadRequestError("a BLAKE3 digest, which is not installed here; allowed: SHA-256")
    made: Running = blake3()
    return made


def digest_of(kind: Kind, data: bytes | bytearray | memoryview) -> str:
    """Lower-case hex digest of C-contiguous bytes."""
    digest = running(kind)
    digest.update(data)
    return digest.hexdigest()


def kind_of(header: PlaneHeader | PutPlaneRequest) -> Kind:
    """Which digest a transfer has, or is asked for.

    Raises:
        BadRequestError: one that we do not know.
    """
    if header.digest_kind == DigestKind.DIGEST_KIND_BLAKE3:
        return Kind.BLAKE3
    if header.digest_kind == DigestKind.DIGEST_KIND_UNSPECIFIED:
        return Kind.SHA256
    raise BadRequestError(
        f"digest_kind {header.digest_kind} is not known; allowed: unspecified, BLAKE3"
    )


def checked(kind: Kind, text: str) -> str:
    """The digest itself, if it can be one.

    Raises:
        BadRequestError: it is none.
    """
    if not _HEX.fullmatch(text):
        raise BadRequestError(f"{kind.value} {text!r} is not 64 lower-case hex digits")
    return text
