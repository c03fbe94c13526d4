"""`airoto weights`: what is installed, fetching, importing, verifying, pinning."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from airoto.errors import AIRotoError
from airoto_client.exit_codes import ExitCode, exit_code_of
from airoto_server.weights.fetch import fetch, mirrors_from_environment
from airoto_server.weights.importing import import_weights, lock
from airoto_server.weights.store import CheckpointStatus, State, WeightStore


def main(argv: Sequence[str] | None = None) -> int:
    """Run `airoto weights` with these arguments; returns the exit code.

    0 done, 2 wrong arguments or manifest, 4 cannot be written, 5 network, 6 weights missing,
    wrong or not allowed, 7 another process is at it, 130 interrupted.
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as exc:
        # argparse ends the process for --help and for wrong arguments.
        return exc.code if isinstance(exc.code, int) else int(ExitCode.USAGE)
    try:
        store = WeightStore.from_environment(arguments.manifest)
        return int(arguments.run(store, arguments))
    except AIRotoError as exc:
        _report_error(exc, as_json=arguments.json)
        return int(exit_code_of(exc))
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airoto weights",
        description="Checkpoints: what is installed, what is missing, what may be used.",
        epilog="Folders: AIROTO_WEIGHTS (like a PATH). Licences: AIROTO_LICENSES. "
        "Mirrors: AIROTO_WEIGHTS_MIRROR. Only `fetch` uses the network.",
    )
    parser.add_argument("--manifest", type=Path, help="another manifest than AIRoto's own")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: object, help_: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help_, description=help_)
        added.set_defaults(run=run)
        # Also after the verb; without a default, so that it does not undo the one before.
        added.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        return added

    verb("list", _list, "what is installed, and what each missing checkpoint needs")
    fetched = verb("fetch", _fetch, "download checkpoints; goes on where it stopped")
    fetched.add_argument("names", nargs="+", metavar="NAME")
    fetched.add_argument("--format", default="", help="safetensors, torch or onnx")
    verified = verb("verify", _verify, "hash installed checkpoints again")
    verified.add_argument("names", nargs="*", metavar="NAME")
    imported = verb("import", _import, "take weights from a file, folder or archive")
    imported.add_argument("source", type=Path, metavar="FILE")
    imported.add_argument("--as", dest="name", default="", metavar="NAME")
    path = verb("path", _path, "where a checkpoint lies, for scripts")
    path.add_argument("name", metavar="NAME")
    locked = verb("lock", _lock, "record hashes that the manifest could not know")
    locked.add_argument("names", nargs="*", metavar="NAME")
    locked.add_argument("--output", type=Path, help="the lock file to write")
    return parser


def _list(store: WeightStore, arguments: argparse.Namespace) -> ExitCode:
    statuses = list(store.statuses())
    if arguments.json:
        _print_json([_document(status) for status in statuses])
        return ExitCode.DONE
    table = Table(title="weights in " + ", ".join(str(folder) for folder in store.folders))
    for heading in ("checkpoint", "state", "size"):
        table.add_column(heading, no_wrap=True)
    table.add_column("licence", overflow="fold")
    for status in statuses:
        licence = status.checkpoint.licence
        spdx = licence.spdx if licence.commercial_use else f"{licence.spdx} (non-commercial)"
        table.add_row(status.checkpoint.name, status.state.value, _size(status.bytes), spdx)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table, soft_wrap=False)
    for status in statuses:
        # That what is missing can be fetched is said once, below.
        if status.fix and status.state is not State.MISSING:
            console.print(f"{status.checkpoint.name}: {status.fix}")
    if any(status.state is State.MISSING for status in statuses):
        console.print("missing ones: airoto weights fetch NAME, or airoto weights import FILE")
    return ExitCode.DONE


def _fetch(store: WeightStore, arguments: argparse.Namespace) -> ExitCode:
    for name in arguments.names:
        store.manifest.find(name)
    done: list[CheckpointStatus] = []
    for name in arguments.names:
        with _Bars(hidden=arguments.json) as bars:
            status = fetch(
                store,
                name,
                format_=arguments.format,
                mirrors=mirrors_from_environment(),
                progress=bars.told,
            )
        done.append(status)
        if not arguments.json:
            _say(f"{name}: {status.path}")
    if arguments.json:
        _print_json([_document(status) for status in done])
    return ExitCode.DONE


def _verify(store: WeightStore, arguments: argparse.Namespace) -> ExitCode:
    store.hashes.forget()
    names = arguments.names or [
        status.checkpoint.name for status in store.statuses() if status.present
    ]
    statuses = [store.status(name) for name in names]
    if arguments.json:
        _print_json([_document(status) for status in statuses])
    else:
        for status in statuses:
            said = status.reason or f"sha256 {status.sha256}"
            _say(f"{status.checkpoint.name}: {status.state.value}: {said}")
            if status.fix:
                _say(f"  {status.fix}")
        if not statuses:
            _say("no checkpoint is installed")
    return ExitCode.DONE if all(status.ready for status in statuses) else ExitCode.ENGINE


def _import(store: WeightStore, arguments: argparse.Namespace) -> ExitCode:
    found = import_weights(store, arguments.source, name=arguments.name)
    if arguments.json:
        _print_json(
            [
                {
                    "checkpoint": each.checkpoint,
                    "path": str(each.path),
                    "sha256": each.sha256,
                    "recorded": each.recorded,
                }
                for each in found
            ]
        )
        return ExitCode.DONE
    for each in found:
        note = f" (sha256 {each.sha256} recorded: seen for the first time)" if each.recorded else ""
        _say(f"{each.checkpoint}: {each.path}{note}")
    for name in dict.fromkeys(each.checkpoint for each in found):
        status = store.status(name)
        if not status.ready:
            _say(f"{name} is {status.state.value}: {status.reason}; {status.fix}")
    return ExitCode.DONE


def _path(store: WeightStore, arguments: argparse.Namespace) -> ExitCode:
    status = store.require(arguments.name)
    if arguments.json:
        _print_json(_document(status))
    else:
        _say(str(status.path))
    return ExitCode.DONE


def _lock(store: WeightStore, arguments: argparse.Namespace) -> ExitCode:
    pins = lock(store, arguments.names, arguments.output)
    if arguments.json:
        _print_json({key: pin.sha256 for key, pin in pins.items()})
        return ExitCode.DONE
    for key, pin in pins.items():
        _say(f"{key}: sha256 {pin.sha256}")
    if not pins:
        _say("every file that is here has its hash already")
    return ExitCode.DONE


class _Bars:
    """A progress bar per file, on standard error."""

    def __init__(self, *, hidden: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=hidden,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def told(self, name: str, done: int, total: int) -> None:
        """Show how far a file is."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None)
        self._progress.update(self._tasks[name], completed=done, total=total or None)


def _document(status: CheckpointStatus) -> dict[str, Any]:
    licence = status.checkpoint.licence
    return {
        "name": status.checkpoint.name,
        "title": status.checkpoint.title,
        "state": status.state.name.lower(),
        "ready": status.ready,
        "path": str(status.path) if status.path else "",
        "format": status.form.format,
        "sha256": status.sha256,
        "bytes": status.bytes,
        "licence": licence.spdx,
        "licence_url": licence.url,
        "licence_note": licence.note,
        "commercial_use": licence.commercial_use,
        "citation": status.checkpoint.citation,
        "reason": status.reason,
        "fix": status.fix,
    }


def _report_error(exc: AIRotoError, *, as_json: bool) -> None:
    if as_json:
        _print_json({"error": exc.kind, "message": exc.message, "hint": exc.hint})
        return
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    console.print(f"error: {exc.message}")
    if exc.hint:
        console.print(f"  {exc.hint}")


def _say(line: str) -> None:
    # Paths are for scripts too: never wrapped, never coloured.
    sys.stdout.write(line + "\n")


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else (f"{count:,} B" if count else "unknown")
