"""`airoto cache`: how much is kept, and removing it. Works on the folder, without a server."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, OutputError
from airoto_client.exit_codes import ExitCode, exit_code_of
from airoto_server.storage.place import CachePlace, cache_place
from airoto_server.storage.store import is_whole
from airoto_server.storage.upkeep import Usage, clear, entries, prune, usage

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `airoto cache` with these arguments; returns the exit code.

    0 done, 2 wrong arguments, 4 the folder cannot be changed, 130 interrupted.
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as exc:
        # argparse ends the process for --help and for wrong arguments.
        return exc.code if isinstance(exc.code, int) else int(ExitCode.USAGE)
    try:
        place = cache_place(options.folder, options.limit)
        if place.folder is None:
            raise BadRequestError(
                "the cache is turned off", hint="name its folder with --folder or AIROTO_CACHE"
            )
        options.run(place, place.folder, options)
        return int(ExitCode.DONE)
    except AIRotoError as exc:
        return _failed(exc, as_json=options.json)
    except OSError as exc:
        return _failed(OutputError(f"{exc.filename}: {exc.strerror}"), as_json=options.json)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--folder", metavar="DIR", help="default: $AIROTO_CACHE, or your own")
    common.add_argument("--limit", metavar="SIZE", help="20G; default: $AIROTO_CACHE_LIMIT")
    common.add_argument("--json", action="store_true", help="JSON on standard output")
    parser = argparse.ArgumentParser(
        prog="airoto cache",
        description="Results that are kept so that they need not be made again. Servers may "
        "be running meanwhile.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: object, what: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, description=what, parents=[common])
        added.set_defaults(run=run)
        return added

    verb("info", _info, "where results are kept, how many, how large")
    cleared = verb("clear", _clear, "remove all results")
    cleared.add_argument("--stage", default="", help="only these: keyframe, track, matte, ...")
    pruned = verb("prune", _prune, "remove the least recently used until the rest fits the limit")
    pruned.add_argument("--older-than", metavar="TIME", help="and all not used for 30d (12h, 4w)")
    pruned.add_argument("--check", action="store_true", help="and damaged ones: reads every entry")
    return parser


def _info(place: CachePlace, folder: Path, options: argparse.Namespace) -> None:
    _tell(place, folder, usage(folder), options)


def _clear(place: CachePlace, folder: Path, options: argparse.Namespace) -> None:
    removed = clear(folder, options.stage)
    _tell(place, folder, usage(folder), options, removed=removed)


def _prune(place: CachePlace, folder: Path, options: argparse.Namespace) -> None:
    older_than = _seconds(options.older_than) if options.older_than else None
    before = usage(folder).entries
    damaged = 0
    if options.check:
        for entry in list(entries(folder)):
            if not is_whole(entry.path):
                entry.path.unlink(missing_ok=True)
                damaged += 1
    left = Usage()
    if folder.is_dir():
        left = prune(folder, place.max_bytes, now=time.time(), older_than=older_than)
    _tell(place, folder, left, options, removed=before - left.entries, damaged=damaged)


def _tell(
    place: CachePlace, folder: Path, held: Usage, options: argparse.Namespace, **counts: int
) -> None:
    document: dict[str, Any] = {
        "folder": str(folder),
        "entries": held.entries,
        "bytes": held.bytes,
        "limit_bytes": place.max_bytes,
        "stages": {
            stage: {"entries": count, "bytes": size}
            for stage, (count, size) in sorted(held.stages.items())
        },
        "oldest_use": held.oldest,
        **counts,
    }
    if options.json:
        sys.stdout.write(json.dumps(document) + "\n")
        return
    lines = [f"{word}: {count}" for word, count in counts.items()]
    lines.append(
        f"{folder}: {held.entries} results, {_size(held.bytes)} of {_size(place.max_bytes)}"
    )
    lines += [
        f"  {stage:<10} {count:>8} {_size(size):>10}"
        for stage, (count, size) in sorted(held.stages.items())
    ]
    if held.oldest is not None:
        when = datetime.datetime.fromtimestamp(held.oldest).astimezone()
        lines.append(f"  least recently used: {when:%Y-%m-%d %H:%M}")
    sys.stdout.write("\n".join(lines) + "\n")


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    try:
        return float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise BadRequestError(
            f"--older-than {text!r}; allowed: a number and s, m, h, d or w, such as 30d"
        ) from None


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _failed(exc: AIRotoError, *, as_json: bool) -> int:
    code = exit_code_of(exc)
    if as_json:
        document = {
            "event": "error",
            "exit_code": int(code),
            "kind": exc.kind,
            "message": exc.message,
            "hint": exc.hint,
        }
        sys.stdout.write(json.dumps(document) + "\n")
    hint = f"\n  hint: {exc.hint}" if exc.hint else ""
    sys.stderr.write(f"airoto cache: {exc.message}{hint}\n")
    return int(code)
