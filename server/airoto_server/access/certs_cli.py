"""`airoto certs`: a studio's small certificate authority."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from airoto_server.access.certificates import CertificateInfo
from airoto_server.access.certs import CA_DAYS, DAYS, Authority
from airoto_server.access.running import run_verbs

# Days before its end in which a certificate is called old.
SOON = 30


def main(argv: Sequence[str] | None = None) -> int:
    """Run `airoto certs` with these arguments; returns the exit code."""
    return run_verbs(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("folder", type=Path, metavar="DIR", help="of the authority; mode 700")
    common.add_argument("--json", action="store_true", help="JSON on standard output")
    parser = argparse.ArgumentParser(
        prog="airoto certs",
        description="Certificates for TLS between AIRoto's servers and clients. Whoever has "
        "DIR/ca.key can let anybody in: keep DIR away from servers and clients, give them only "
        "their own files and ca.pem.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: object, what: str, days: int = 0) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, description=what, parents=[common])
        added.set_defaults(run=run)
        if days:
            added.add_argument(
                "--days", type=_days, default=days, help=f"until it ends (default: {days})"
            )
        return added

    made = verb("init", _init, "make the authority: ca.pem, ca.key", CA_DAYS)
    made.add_argument("--studio", default="studio", help="its name (default: studio)")
    served = verb("server", _server, "a server's certificate and key", DAYS)
    served.add_argument("host", nargs="+", metavar="HOST", help="its names and addresses")
    client = verb("client", _client, "a client's certificate and key, for mutual TLS", DAYS)
    client.add_argument("name", metavar="NAME", help="whose it is")
    again = verb("renew", _renew, "a new certificate and key with the same names", DAYS)
    again.add_argument("file", metavar="FILE", help="as `list` names it: server-render1.pem")
    gone = verb("revoke", _revoke, "let a client's certificates count no more: writes DIR/ca.crl")
    gone.add_argument("name", metavar="NAME", help="whose certificates")
    verb("list", _list, "all certificates and when they end")
    return parser


def _init(options: argparse.Namespace) -> None:
    _print([_authority(options).create(options.studio, options.days)], options)


def _server(options: argparse.Namespace) -> None:
    _print([_authority(options).server(options.host, options.days)], options)


def _client(options: argparse.Namespace) -> None:
    _print([_authority(options).client(options.name, options.days)], options)


def _renew(options: argparse.Namespace) -> None:
    _print([_authority(options).renew(options.file, options.days)], options)


def _revoke(options: argparse.Namespace) -> None:
    authority = _authority(options)
    gone = authority.revoke(options.name)
    if options.json:
        print(json.dumps([{"serial": one.serial, "ends": one.ends} for one in gone]))
        return
    for one in gone:
        print(f"{one.name}  serial {one.serial}  until {one.ends[:10]}  REVOKED")
    print(f"put {authority.revocations} where servers read it (--client-crl); it counts at once")


def _list(options: argparse.Namespace) -> None:
    _print(_authority(options).certificates(), options)


def _print(found: Sequence[CertificateInfo], options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    if options.json:
        print(json.dumps([_told(one, now) for one in found]))
        return
    for one in found:
        left = one.days_left(now)
        state = (
            "  REVOKED"
            if one.revoked
            else "  ENDED"
            if left < 0
            else f"  {left:.0f} days left"
            if left < SOON
            else ""
        )
        print(
            f"{one.file}  {one.role}  {', '.join(one.hosts) or one.name}"
            f"  until {one.ends:%Y-%m-%d}{state}"
        )


def _told(one: CertificateInfo, now: datetime) -> dict[str, object]:
    return {
        "file": str(one.file),
        "role": one.role,
        "name": one.name,
        "hosts": list(one.hosts),
        "ends": one.ends.isoformat(),
        "days_left": round(one.days_left(now), 1),
        "revoked": one.revoked,
    }


def _authority(options: argparse.Namespace) -> Authority:
    return Authority(options.folder.absolute())


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 36500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to 36500")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
