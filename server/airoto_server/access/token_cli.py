"""`airoto token`: make, list, revoke and end the tokens of a server's users."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_server.access.running import run_verbs
from airoto_server.access.tokens import TokenEntry, TokenFile, write_secret

FILE_VARIABLE = "AIROTO_TOKENS"
_DAYS = 90


def default_file() -> Path:
    """`$AIROTO_TOKENS`, or tokens.json in the user's folder for settings."""
    named = os.environ.get(FILE_VARIABLE, "")
    settings = os.environ.get("XDG_CONFIG_HOME", "") or "~/.config"
    return Path(named or f"{settings}/airoto/tokens.json").expanduser().absolute()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `airoto token` with these arguments; returns the exit code."""
    return run_verbs(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--file", type=Path, metavar="FILE", help="default: $AIROTO_TOKENS, or your own"
    )
    common.add_argument("--json", action="store_true", help="JSON on standard output")
    parser = argparse.ArgumentParser(
        prog="airoto token",
        description="Tokens that prove who calls a server. They are kept as digests; a running "
        "server sees changes at the next call.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: object, what: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, description=what, parents=[common])
        added.set_defaults(run=run)
        return added

    made = verb("create", _create, "make a token; it is shown once and kept nowhere")
    made.add_argument("name", metavar="NAME", help="whose it is")
    how_long = made.add_mutually_exclusive_group()
    how_long.add_argument(
        "--days", type=_days, default=_DAYS, help=f"until it ends (default: {_DAYS})"
    )
    how_long.add_argument("--forever", action="store_true", help="it does not end")
    made.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there (mode 600), not to the terminal"
    )
    verb("list", _list, "whose tokens there are, and until when")
    gone = verb("revoke", _revoke, "remove tokens")
    gone.add_argument("which", metavar="ID|NAME")
    ends = verb("expire", _expire, "let tokens end")
    ends.add_argument("which", metavar="ID|NAME")
    ends.add_argument("--days", type=_days, default=0, help="from now (default: 0, at once)")
    return parser


def _create(options: argparse.Namespace) -> None:
    lifetime = None if options.forever else timedelta(days=options.days)
    if options.out is not None and options.out.exists():
        raise BadRequestError(f"{options.out} is there already", path=str(options.out))
    token, entry = _file(options).create(options.name, lifetime)
    if options.out is not None:
        write_secret(options.out.absolute(), token.encode() + b"\n")
    elif options.json:
        print(json.dumps({**_told(entry), "token": token}))
        return
    else:
        print(token)
    until = f"until {entry.expires}" if entry.expires else "without an end"
    where = f" in {options.out}" if options.out is not None else ""
    sys.stderr.write(f"token {entry.id} of {entry.name}{where}, {until}; it is not shown again\n")


def _list(options: argparse.Namespace) -> None:
    _print(_file(options).entries(), options)


def _revoke(options: argparse.Namespace) -> None:
    _print(_file(options).revoke(options.which), options)


def _expire(options: argparse.Namespace) -> None:
    when = datetime.now(UTC) + timedelta(days=options.days)
    _print(_file(options).expire(options.which, when), options)


def _print(entries: Sequence[TokenEntry], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps([_told(one) for one in entries]))
        return
    for one in entries:
        ends = one.expires or "never ends"
        state = "" if one.is_good(datetime.now(UTC)) else "  ended"
        print(f"{one.id}  {one.name:20}  {one.created}  {ends}{state}")


def _told(entry: TokenEntry) -> dict[str, str]:
    return {
        "id": entry.id,
        "name": entry.name,
        "created": entry.created,
        "expires": entry.expires,
    }


def _file(options: argparse.Namespace) -> TokenFile:
    return TokenFile(options.file.absolute() if options.file else default_file())


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 36500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0 to 36500")
    return days


if __name__ == "__main__":
    sys.exit(main())
