"""Where a server listens, and how whoever calls has to prove who they are there.

A Unix socket in a folder of mode 0700; a loopback port with a token that is new at every start;
anything else TLS with tokens, client certificates or both. There is no fourth way.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from airoto.errors import BadRequestError
from airoto.wire.access import secret_file
from airoto.wire.channel import Target, default_target, parse_target
from airoto_server.access.certificates import inspect
from airoto_server.access.certs_cli import SOON
from airoto_server.access.people import People, Person, read_people
from airoto_server.access.revocation import CertificateCheck
from airoto_server.access.start_token import StartToken
from airoto_server.access.token_cli import default_file
from airoto_server.access.tokens import TokenCheck, TokenFile
from airoto_server.service.gate import Door, OwnersDoor, StartDoor, StudioDoor

_log = logging.getLogger("airoto_server")

_OWN_FILE = "your own"


@dataclass(frozen=True)
class Listening:
    """A way to listen.

    Attributes:
        credentials: None: without TLS.
        start: the token of a loopback port without TLS.
    """

    target: Target
    door: Door
    credentials: grpc.ServerCredentials | None = None
    start: StartToken | None = None


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `airoto serve` that say where to listen and who may come in."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, help="Unix socket to listen on (default: your own)")
    where.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="an address to listen on (port 0: any free); on loopback clients need a token that "
        "only you can read, elsewhere TLS and --tokens or --client-ca",
    )
    group = parser.add_argument_group("who may come in (see docs/security.md)")
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="the server's certificate")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (mode 600)")
    group.add_argument(
        "--client-ca", type=Path, metavar="FILE", help="clients show a certificate signed by this"
    )
    group.add_argument(
        "--client-crl",
        type=Path,
        metavar="FILE",
        help="certificates that do not count any more (airoto certs revoke); read again when it "
        "changes",
    )
    group.add_argument(
        "--tokens",
        nargs="?",
        const=_OWN_FILE,
        metavar="FILE",
        help="clients send a token of this file (default file: as airoto token has it)",
    )
    group.add_argument(
        "--people", type=Path, metavar="FILE", help="who they are, their folders and quotas (TOML)"
    )
    group.add_argument(
        "--audit",
        type=Path,
        metavar="FILE",
        help="a JSON line for every call (default: in the log, where there is TLS)",
    )


def listening(options: argparse.Namespace) -> Listening:
    """What the options say.

    Raises:
        BadRequestError: they would let somebody in without proof, or a file cannot be used.
    """
    target = _target(options)
    studio = [
        f"--{name.replace('_', '-')}"
        for name in ("tls_cert", "tls_key", "client_ca", "client_crl", "tokens", "people")
        if getattr(options, name) is not None
    ]
    if options.tls_cert is None and options.tls_key is None:
        return _plain(target, studio)
    if target.socket:
        raise BadRequestError(
            f"{', '.join(studio)} are for --listen; a Unix socket is its owner's alone"
        )
    if options.tls_cert is None or options.tls_key is None:
        raise BadRequestError("TLS needs both --tls-cert and --tls-key")
    if options.tokens is None and options.client_ca is None:
        raise BadRequestError(
            f"{target} with TLS alone would let anybody in",
            hint="name --tokens (airoto token create NAME), or --client-ca (airoto certs), or both",
        )
    if options.client_crl is not None and options.client_ca is None:
        raise BadRequestError("--client-crl needs --client-ca, whose certificates it is about")
    credentials = _credentials(options)
    return Listening(target, _studio_door(options), credentials)


def _target(options: argparse.Namespace) -> Target:
    if options.listen:
        return parse_target(options.listen, listen=True)
    if options.socket:
        return parse_target(f"unix:{options.socket}")
    return default_target()


def _plain(target: Target, studio: list[str]) -> Listening:
    if not target.is_local:
        raise BadRequestError(
            f"{target} can be reached from other machines, which needs TLS and a token",
            hint="name --tls-cert and --tls-key (airoto certs makes them) and --tokens or "
            "--client-ca; or listen on a Unix socket or a loopback address",
        )
    if studio:
        raise BadRequestError(
            f"{', '.join(studio)} without TLS would show tokens to whoever listens",
            hint="name --listen HOST:PORT, --tls-cert and --tls-key too",
        )
    if target.socket:
        return Listening(target, OwnersDoor())
    start = StartToken()
    return Listening(target, StartDoor(start.fits), start=start)


def _studio_door(options: argparse.Namespace) -> StudioDoor:
    people = People(everyone=Person()) if options.people is None else read_people(options.people)
    name_of = None
    if options.tokens is not None:
        path = default_file() if options.tokens == _OWN_FILE else Path(options.tokens)
        file = TokenFile(path.absolute())
        if not file.entries() and options.client_ca is None:
            raise BadRequestError(
                f"{file.path} has no tokens, so nobody could come in",
                hint="airoto token create NAME",
                path=str(file.path),
            )
        name_of = TokenCheck(file).name_of
    counts = None
    if options.client_ca is not None:
        counts = CertificateCheck(options.client_ca, options.client_crl).counts
    return StudioDoor(people, name_of, counts)


def _credentials(options: argparse.Namespace) -> grpc.ServerCredentials:
    now = datetime.now(UTC)
    for path in filter(None, (options.tls_cert, options.client_ca)):
        found = inspect(path)
        left = found.days_left(now)
        if left < 0:
            raise BadRequestError(
                f"the certificate {path} ended on {found.ends:%Y-%m-%d}",
                hint="airoto certs renew makes a new one",
                path=str(path),
            )
        if left < SOON:
            _log.warning("the certificate %s ends in %.0f days", path, left)
    pair = secret_file(options.tls_key), options.tls_cert.read_bytes()
    ca = None if options.client_ca is None else options.client_ca.read_bytes()
    return grpc.ssl_server_credentials([pair], ca, require_client_auth=ca is not None)
