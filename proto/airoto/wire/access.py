"""How a client proves who it is: tokens, certificates, and when each of them is sent.

- A Unix socket lies in a folder that only its owner may enter. Nothing else is sent.
- A loopback port without TLS: the server writes a new token at every start to a file that only
  its user can read (`start_token_path`). No other token is ever sent without TLS.
- Anything else is TLS with a token, a certificate, or both.

Secrets come from files or the environment, never from a command line, which others can see.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from airoto.errors import BadRequestError
from airoto.wire.channel import Target, connect, run_folder

TOKEN_VARIABLE = "AIROTO_TOKEN"
TOKEN_FILE_VARIABLE = "AIROTO_TOKEN_FILE"
CA_VARIABLE = "AIROTO_TLS_CA"
CERTIFICATE_VARIABLE = "AIROTO_TLS_CERT"
KEY_VARIABLE = "AIROTO_TLS_KEY"

# The metadata that carries a token, as HTTP has it (RFC 6750).
TOKEN_KEY = "authorization"
SCHEME = "Bearer "

# A token that is good until its server ends, for loopback alone.
START_PREFIX = "airoto-start-"

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,512}")
_LARGEST = 64 * 1024


@dataclass(frozen=True)
class Access:
    """What a client has to prove who it is; all of it may be missing.

    Attributes:
        token: the token itself, from the environment.
        token_file: a file with the token; read at every call, so that a new one counts at once.
        ca: certificates that the server's has to be signed by; empty: the system's.
        certificate, key: of this client, for mutual TLS.
    """

    token: str = field(default="", repr=False)
    token_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def proves(self) -> bool:
        """Whether there is anything to prove with."""
        return bool(self.token or self.token_file or self.certificate)

    def credentials(self) -> grpc.ChannelCredentials:
        """TLS, with the certificate and the token where there are such.

        Raises:
            BadRequestError: a file cannot be read, or is open to others and must not be.
        """
        if bool(self.certificate) != bool(self.key):
            raise BadRequestError(
                "a client certificate needs its key, and a key its certificate",
                hint=f"set both ${CERTIFICATE_VARIABLE} and ${KEY_VARIABLE}",
            )
        channel = grpc.ssl_channel_credentials(
            root_certificates=_contents(self.ca) if self.ca else None,
            private_key=secret_file(self.key) if self.key else None,
            certificate_chain=_contents(self.certificate) if self.certificate else None,
        )
        if not (self.token or self.token_file):
            return channel
        self.current_token()
        return grpc.composite_channel_credentials(
            channel, grpc.metadata_call_credentials(_Proof(self), name="airoto-token")
        )

    def current_token(self) -> str:
        """The token as it is now; empty without one.

        Raises:
            BadRequestError: its file cannot be read, is open to others, or holds no token. The
                message never has what was found.
        """
        if self.token_file:
            found = secret_file(self.token_file).decode("ascii", "replace").strip()
            return _checked(found, self.token_file)
        return _checked(self.token, f"${TOKEN_VARIABLE}") if self.token else ""


class _Proof(grpc.AuthMetadataPlugin):
    """Adds the token to calls over TLS."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __call__(
        self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        try:
            callback(((TOKEN_KEY, SCHEME + self._access.current_token()),), None)
        except BadRequestError as exc:
            callback((), exc)


def access_from(
    environment: Mapping[str, str] | None = None,
    *,
    token_file: str = "",
    ca: str = "",
    certificate: str = "",
    key: str = "",
) -> Access:
    """What options give, and the environment where they give nothing."""
    variables = os.environ if environment is None else environment
    return Access(
        token="" if token_file else variables.get(TOKEN_VARIABLE, "").strip(),
        token_file=token_file or variables.get(TOKEN_FILE_VARIABLE, ""),
        ca=ca or variables.get(CA_VARIABLE, ""),
        certificate=certificate or variables.get(CERTIFICATE_VARIABLE, ""),
        key=key or variables.get(KEY_VARIABLE, ""),
    )


def open_channel(target: Target, access: Access) -> grpc.Channel:
    """A channel to a server, with as much proof as it may see; see the top.

    Raises:
        BadRequestError: a server on another machine and nothing to prove with, or a file that
            cannot be used.
    """
    if not is_encrypted(target, access):
        return connect(target)
    if not access.proves:
        where = (
            "speaks TLS, which needs"
            if target.is_local
            else "is on another machine, which needs TLS and"
        )
        raise BadRequestError(
            f"{target} {where} a token",
            hint=f"put the token into a file that only you can read and name it in "
            f"${TOKEN_FILE_VARIABLE} (or a client certificate in ${CERTIFICATE_VARIABLE} and "
            f"${KEY_VARIABLE}), and the studio's CA in ${CA_VARIABLE}",
        )
    return connect(target, credentials=access.credentials())


def is_encrypted(target: Target, access: Access) -> bool:
    """Whether TLS is spoken with a server there."""
    if target.socket:
        return False
    if not target.is_local:
        return True
    # A server with TLS on loopback leaves no start token.
    return bool(access.ca or access.certificate) and not start_token_path(target.port).exists()


def plain_proof(target: Target, access: Access) -> tuple[tuple[str, str], ...]:
    """The metadata that proves a call without TLS: the start token, on loopback alone.

    Raises:
        BadRequestError: the token's file is open to others or holds no token.
    """
    if target.socket or is_encrypted(target, access):
        return ()
    place = start_token_path(target.port)
    if place.exists():
        token = Access(token_file=str(place)).current_token()
    else:
        token = access.current_token()
    if not token.startswith(START_PREFIX):
        return ()  # never one that is good elsewhere, where anyone may listen
    return ((TOKEN_KEY, SCHEME + token),)


def start_token_path(port: int, environment: Mapping[str, str] | None = None) -> Path:
    """Where a server that listens on that port without TLS leaves its token."""
    return run_folder(environment) / f"port-{port}.token"


def secret_file(path: str | Path, *, largest: int = _LARGEST) -> bytes:
    """A file that nobody else may read.

    Args:
        largest: bytes to accept.

    Raises:
        BadRequestError: it cannot be read, is too large, or open to others.
    """
    data = _contents(path, largest)
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise BadRequestError(
            f"{path} holds a secret and is open to others (mode {mode:o})",
            hint=f"chmod 600 {path}",
            path=str(path),
        )
    return data


def _contents(path: str | Path, largest: int = _LARGEST) -> bytes:
    place = Path(path)
    try:
        with place.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as exc:
        raise BadRequestError(f"{place} cannot be read: {exc.strerror}", path=str(place)) from exc
    if len(data) > largest:
        raise BadRequestError(f"{place} is larger than {largest} bytes", path=str(place))
    return data


def _checked(token: str, where: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise BadRequestError(f"{where} holds no token", hint="it is one line: airoto token create")
    return token
