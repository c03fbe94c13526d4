"""`airoto status`: what the server is doing, live on a terminal."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airoto.errors import BadRequestError, ServerUnreachableError
from airoto.wire.channel import default_target, parse_target
from airoto_client.cli.options import access_of, add_command, add_server_options
from airoto_client.cli.reporting import Reporter, clock
from airoto_client.cli.stopping import Stopped, Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.grpc_link import GrpcLink
from airoto_client.link import Message
from airoto_client.local_server import listens

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

# Seconds in which a server answers, and between two looks.
_ANSWER_TIMEOUT = 10.0
_INTERVAL = 1.0

_FILE_WIDTH = 160

# Columns that are cut where a terminal is narrow.
_SHRINKING = ("recipe", "client", "state", "model", "kept")


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs, "status", run, "Show what the server is doing, live; starts none. Ctrl-C ends it."
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="print it once, and so off a terminal")
    how.add_argument("--json", action="store_true", help="once, as one JSON line")
    how.add_argument("--url", action="store_true", help="print where the status page is")
    how.add_argument(
        "--metrics", action="store_true", help="print every metric in Prometheus' text format"
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=_INTERVAL,
        metavar="SECONDS",
        help=f"between two looks (default: {_INTERVAL:g})",
    )
    add_server_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Show it."""
    with (
        GrpcLink(_target(options.server), access_of(options)) as link,
        stopper.when_asked(link.close),
    ):
        if options.json:
            print(json.dumps({"event": "status", **_ask(link)}, ensure_ascii=False), flush=True)
        elif options.url:
            _print_url(_ask(link))
        elif options.metrics:
            print(_ask(link, metrics=True).get("metrics", ""), end="", flush=True)
        elif options.once or not sys.stdout.isatty():
            _console().print(picture(_ask(link), link.target))
        else:
            _live(link, options.interval, stopper)
    return ExitCode.DONE


def _target(named: str | None) -> str:
    """The server that is running; unlike other commands this one starts none.

    Raises:
        ServerUnreachableError: none listens at the usual socket.
    """
    target = parse_target(named) if named is not None else default_target()
    if target.socket and not listens(Path(target.socket)):
        raise ServerUnreachableError(
            f"no AIRoto server listens at {target}",
            hint="start one with: airoto serve; commands that start one of their own end it again",
        )
    return str(target)


def _ask(link: GrpcLink, *, metrics: bool = False) -> Message:
    return link.call("GetStatus", {"metrics": metrics}, timeout=_ANSWER_TIMEOUT)


def _print_url(status: Message) -> None:
    url = status.get("page_url", "")
    if not url:
        raise BadRequestError(
            "this server has no status page", hint="start it with: airoto serve --status-page"
        )
    print(url, flush=True)


def _live(link: GrpcLink, interval: float, stopper: Stopper) -> None:
    from rich.live import Live

    with Live(console=_console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(picture(_ask(link), link.target), refresh=True)
            end = time.monotonic() + interval
            while time.monotonic() < end:
                if stopper.asked:
                    raise Stopped
                time.sleep(0.05)


def _console() -> Any:
    from rich.console import Console

    # Nothing is cut where nobody has a terminal of some width.
    width = None if sys.stdout.isatty() else _FILE_WIDTH
    return Console(highlight=False, markup=False, width=width)


# ---- what it looks like ------------------------------------------------------------------------


def picture(status: Message, target: str) -> RenderableType:
    """A `GetStatusResponse` for people."""
    from rich.console import Group
    from rich.text import Text

    process = status.get("process", {})
    head = Text.assemble(
        ("AIRoto ", "bold"),
        f"{status.get('version', '?')}  process {status.get('pid', 0)}  "
        f"up {clock(status.get('uptime_seconds', 0.0))}  ",
        (target, "dim"),
    )
    foot = Text(
        f"server {size(process.get('resident_bytes'))}, decoders: {process.get('decoders', 0)}, "
        f"{size(process.get('decoder_bytes'))}, {process.get('decoder_restarts', 0)} restarted, "
        f"calls: {process.get('calls_running', 0)}",
        style="dim",
    )
    parts: list[RenderableType] = [head]
    for title, table in (
        ("devices", _devices(status)),
        ("renders", _renders(status)),
        ("resident models", _models(status)),
        ("sessions and cache", _stores(status)),
    ):
        parts += [Text(), Text(title, style="bold cyan")]
        parts.append(_narrowed(table) if table.row_count else Text("  none", style="dim"))
    return Group(*parts, Text(), foot)


def _devices(status: Message) -> Table:
    table = _table("device", "now", "load", "memory", "free", "held", "renders", "clicks waiting")
    for one in status.get("devices", []):
        table.add_row(
            one.get("name", "?"),
            "working" if one.get("busy") else "idle",
            f"{100 * one.get('load', 0.0):.0f} %",
            size(one.get("memory_bytes")),
            size(one.get("free_bytes")),
            size(one.get("held_bytes")),
            str(one.get("jobs_running", 0)),
            str(one.get("clicks_waiting", 0)),
        )
    return table


def _renders(status: Message) -> Table:
    table = _table("recipe", "client", "state", "device", "frames", "left", "since", "request")
    for job in status.get("jobs", []):
        left = job.get("seconds_left", 0.0)
        waits = job.get("state") == "JOB_STATE_WAITING"
        table.add_row(
            _printable(job.get("name", "?")),
            job.get("client", "?"),
            _waiting(job) if waits else job.get("stage", "") or "begins",
            job.get("device", "") or "-",
            f"{job.get('done', 0)}/{job.get('total', 0)}",
            "-" if waits or left < 0 or not job.get("stage") else clock(left),
            clock(job.get("seconds", 0.0)),
            job.get("request_id", ""),
        )
    return table


def _waiting(job: Message) -> str:
    wait = job.get("wait_seconds", 0.0)
    about = f", about {clock(wait)}" if wait >= 0 else ""
    return f"place {job.get('position', 0)}{about}"


def _models(status: Message) -> Table:
    table = _table("model", "device", "where", "size", "in use")
    for one in status.get("models", []):
        where = one.get("tier", "") + (", pinned" if one.get("pinned") else "")
        table.add_row(
            one.get("name", "?"),
            one.get("device", "?"),
            where,
            size(one.get("bytes")),
            str(one.get("leases", 0)),
        )
    return table


def _stores(status: Message) -> Table:
    table = _table("kept", "entries", "size", "limit", "found", "not found")
    for one in status.get("stores", []):
        limit = int(one.get("limit_bytes", 0))
        table.add_row(
            one.get("name", "?"),
            str(one.get("entries", 0)),
            size(one.get("bytes")),
            size(limit) if limit else "-",
            str(one.get("hits", 0)),
            str(one.get("misses", 0)),
        )
    return table


def _printable(text: str) -> str:
    """A name without what a terminal would take for commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _table(*heads: str) -> Table:
    from rich.table import Column, Table

    return Table(
        *(Column(head, overflow="ellipsis", no_wrap=True) for head in heads),
        box=None,
        header_style="dim",
    )


def _narrowed(table: Table) -> Table:
    """The same with all columns as wide as what is in them but for those that may shrink."""
    for column in table.columns:
        if column.header not in _SHRINKING:
            cells = [str(cell) for cell in column.cells]
            column.min_width = max(map(len, [str(column.header), *cells]))
    return table


def size(count: object) -> str:
    """Bytes (a number, or a text as JSON has it) as `1.2 GB`."""
    value = float(str(count or 0))
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return value
