"""`airoto serve`: put the parts together, listen, and stop cleanly."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from airoto.errors import AIRotoError, BadRequestError, ServerUnreachableError
from airoto.presets.places import INDEX_VARIABLE
from airoto.wire.access import start_token_path
from airoto.wire.channel import Target, server_options
from airoto.wire.methods import SERVICE_NAME, generic_handler
from airoto_server.access.folders import private_folder
from airoto_server.app.installation import default_devices
from airoto_server.app.listening import Listening, add_options, listening
from airoto_server.app.logs import JSON, TEXT, start_log
from airoto_server.app.ready import tell_ready
from airoto_server.engines.torch_support import PRECISIONS
from airoto_server.ops.parallel import default_threads, limit_libraries
from airoto_server.residency.malloc import keep_freed_memory
from airoto_server.service.audit import Audit
from airoto_server.service.gate import Gate
from airoto_server.service.metrics import Metrics
from airoto_server.service.page import StatusPage
from airoto_server.service.servicer import Servicer
from airoto_server.sessions.workshop import Settings, Workshop
from airoto_server.storage.place import cache_place

_log = logging.getLogger("airoto_server")

UMASK_VARIABLE = "AIROTO_UMASK"

# Where the status page is, if no port is named.
DEFAULT_PAGE_PORT = 7790

# Seconds that running calls get to end after a stop was asked for.
_GRACE = 5.0

# Calls at a time beside renders, half-open ones too; files open at a time.
_MOST_CALLS = 1024
_FILES = 65536


def arguments() -> argparse.ArgumentParser:
    """The options of `airoto serve`."""
    parser = argparse.ArgumentParser(
        prog="airoto serve", description="Run the inference server until it is told to stop."
    )
    add_options(parser)
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder that may be read and written; may be given several times "
        "(default: whatever this user may)",
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="where uploads and tracked masks wait on disk"
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="where results are kept by content, or `off` (default: $AIROTO_CACHE, or "
        "airoto/results in your cache folder); several servers may share it",
    )
    parser.add_argument(
        "--cache-limit", metavar="SIZE", help="of it (default: $AIROTO_CACHE_LIMIT, or 20G)"
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=Settings.idle_seconds,
        metavar="SECONDS",
        help="decoded frames and embeddings that nobody asked for so long are let go "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--presets",
        type=Path,
        metavar="INDEX",
        default=os.environ.get(INDEX_VARIABLE) or None,
        help="index of presets (airoto preset compile) whose policies hold for every recipe of "
        "their shows (default: $AIROTO_PRESET_INDEX)",
    )
    parser.add_argument(
        "--require-preset", action="store_true", help="refuse recipes that name none of them"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="worker threads of a job (default: all processors)"
    )
    parser.add_argument(
        "--device",
        action="append",
        default=[],
        help="cpu, cuda:0, mps; may be given several times, renders are spread over them "
        "(default: $AIROTO_DEVICE, what the installer found, or cpu)",
    )
    parser.add_argument(
        "--renders",
        type=_count,
        default=Settings.renders,
        metavar="N",
        help="renders at a time on each device, which share it frame by frame "
        f"(default: {Settings.renders}); the others wait",
    )
    parser.add_argument(
        "--waiting",
        type=_count,
        default=Settings.waiting,
        metavar="N",
        help=f"renders that may wait (default: {Settings.waiting}); more are told to try again",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="what neural engines compute in (autocast), where the device has it",
    )
    parser.add_argument(
        "--memory-limit",
        type=int,
        default=0,
        metavar="MB",
        help="of the device's memory, for models and trackers (default: what is free)",
    )
    parser.add_argument(
        "--umask",
        type=_umask,
        default=os.environ.get(UMASK_VARIABLE, "077"),
        metavar="OCTAL",
        help="of the mattes that are written: 022 lets everybody read them, 027 your group "
        "(default: $AIROTO_UMASK, or 077: you alone)",
    )
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning"])
    parser.add_argument(
        "--log-format", default=TEXT, choices=[TEXT, JSON], help="lines for people or programs"
    )
    parser.add_argument(
        "--status-page",
        type=_port,
        nargs="?",
        const=DEFAULT_PAGE_PORT,
        metavar="PORT",
        help="show what the server does on a page of this machine, and its metrics for "
        f"Prometheus (default port: {DEFAULT_PAGE_PORT}; 0: any free)",
    )
    parser.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="stop when standard input is closed, so that a server never outlives its starter",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or, where asked for, the end of standard input."""
    options = arguments().parse_args(argv)
    start_log(options.log_level, options.log_format)
    try:
        return asyncio.run(_serve(options, listening(options)))
    except AIRotoError as exc:
        hint = f"\n  {exc.hint}" if exc.hint else ""
        sys.stderr.write(f"airoto serve: {exc.message}{hint}\n")
        return 2 if isinstance(exc, BadRequestError) else 5


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1024")
    return int(text)


def _umask(text: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not three octal digits such as 022")
    return int(text, 8)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


async def _serve(options: argparse.Namespace, where: Listening) -> int:
    keep_freed_memory()
    _allow_files()
    os.umask(options.umask)
    limit_libraries()
    threads = options.threads or default_threads()
    settings = Settings(
        roots=tuple(options.root),
        scratch=options.scratch,
        threads=threads,
        devices=tuple(dict.fromkeys(options.device)) or default_devices(),
        renders=options.renders,
        waiting=options.waiting,
        precision=options.precision,
        presets=options.presets and Path(options.presets),
        preset_required=options.require_preset,
        memory_limit=options.memory_limit * 10**6,
        idle_seconds=max(1.0, options.idle),
        cache=cache_place(options.cache, options.cache_limit),
    )
    with contextlib.ExitStack() as stack:
        target = where.target
        if target.socket:
            stack.enter_context(_socket_place(Path(target.socket)))
        audit = stack.enter_context(Audit(options.audit))
        audited = audit if options.audit or where.credentials is not None else None
        metrics = Metrics()
        workshop = stack.enter_context(contextlib.closing(Workshop(settings, watch=metrics)))
        servicer = stack.enter_context(contextlib.closing(Servicer(workshop, metrics, audited)))
        page = None
        if options.status_page is not None:
            page = StatusPage(options.status_page, servicer.status, metrics.text)
            stack.enter_context(contextlib.closing(page))
            page_token = stack.enter_context(page.token.written(page.port))
            servicer.page_url = page.url
        server = grpc.aio.server(
            interceptors=(Gate(where.door, audit),),
            options=server_options(),
            maximum_concurrent_rpcs=_MOST_CALLS + workshop.admission.most,
        )
        server.add_generic_rpc_handlers((generic_handler(servicer),))
        status = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
        health_pb2_grpc.add_HealthServicer_to_server(status, server)
        reflection.enable_server_reflection(
            (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )
        port = _listen(server, where)
        if where.start is not None:
            stack.enter_context(where.start.written(port))
        elif not target.socket:
            start_token_path(port).unlink(missing_ok=True)  # of a server that was killed
        await server.start()
        for name in ("", SERVICE_NAME):
            await status.set(name, health_pb2.HealthCheckResponse.SERVING)
        place = target if target.socket else Target(host=target.host, port=port)
        devices = ", ".join(settings.devices)
        _log.info("serving at %s with %d threads on %s", place, threads, devices)
        sys.stdout.write(f"serving {place}\n")
        if page is not None:
            # Logs keep what is printed; the token is for a terminal alone.
            shown = page.url if sys.stdout.isatty() else "`airoto status --url` tells where"
            sys.stdout.write(
                f"status page: {shown}\nmetrics: {page.metrics_url}, token in {page_token}\n"
            )
        sys.stdout.flush()
        tell_ready()
        await _until_told(options.exit_with_parent)
        _log.info("stopping")
        await status.enter_graceful_shutdown()
        servicer.stop_jobs()
        await server.stop(_GRACE)
    return 0


def _allow_files() -> None:
    """As many open files as the system lets us have: each connection is one."""
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _listen(server: grpc.aio.Server, where: Listening) -> int:
    old = os.umask(0o077)
    try:
        if where.credentials is None:
            return server.add_insecure_port(where.target.address)
        return server.add_secure_port(where.target.address, where.credentials)
    except RuntimeError as exc:
        raise ServerUnreachableError(
            f"cannot listen at {where.target}: {exc}", hint="is another server there already?"
        ) from exc
    finally:
        os.umask(old)


@contextlib.contextmanager
def _socket_place(path: Path) -> Iterator[None]:
    """A folder that only this user may enter, without a dead server's socket in it."""
    private_folder(path.parent, "--socket")
    if path.exists():
        if _answers(path):
            raise ServerUnreachableError(
                f"a server is listening at {path} already",
                hint="use that one, stop it, or name another --socket",
                path=str(path),
            )
        path.unlink()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


async def _until_told(exit_with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if exit_with_parent:
        loop.add_reader(sys.stdin.fileno(), _read_end, loop, told)
    await told.wait()


def _read_end(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        told.set()


if __name__ == "__main__":
    sys.exit(main())
