"""The `airoto` command line."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import airoto
from airoto.errors import AIRotoError, BadRequestError, InternalError
from airoto_client.cli import (
    bridge,
    correct,
    detect,
    doctor,
    farm,
    info,
    matte,
    preset,
    recipe,
    render,
    roto,
    sample,
    segment,
    server_verbs,
    status,
)
from airoto_client.cli.reporting import Reporter, make_reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode, exit_code_of

_VERBS = (
    roto, render, detect, segment, matte, recipe, correct, preset, farm,
    info, status, doctor, sample, server_verbs, bridge,
)  # fmt: skip

_EPILOG = """\
The main job: airoto roto plate.%04d.exr --point 1001:812,455 --out mattes/hero.%04d.exr
A server that is running is used ($AIROTO_SERVER, or your own socket); without one the
command starts its own and ends it afterwards. Exit codes: docs/exit-codes.md.
"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing, so that usage errors look like all others."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise BadRequestError(message, hint=f"{self.prog} --help explains the options")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is its exit code (`airoto_client.exit_codes`)."""
    arguments = [_explicit(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    if server_verbs.is_ours(arguments):  # their options are the server's own
        return server_verbs.delegate(arguments)
    reporter = make_reporter(as_json="--json" in arguments, quiet=False, verbose=False)
    try:
        options = _parser().parse_args(arguments)
        reporter = make_reporter(
            as_json=getattr(options, "json", False),
            quiet=getattr(options, "quiet", False),
            verbose=getattr(options, "verbose", False),
        )
        if options.verb == "bridge":  # its host ends it by closing the pipe
            return int(bridge.run(options))
        stopper = Stopper()
        code = stopper.run(lambda: options.run(options, reporter, stopper))
        reporter.close()
        return int(code)
    except AIRotoError as exc:
        return _failed(reporter, exc)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing can be said any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.INTERNAL)
    except Exception as exc:  # noqa: BLE001 - the last seam: a fault of ours gets its own exit code
        traceback.print_exc()
        fault = InternalError(
            f"a fault of AIRoto: {type(exc).__name__}: {exc}",
            hint="please report it with the above",
        )
        return _failed(reporter, fault)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one command; its `run` runs it.

    Raises:
        BadRequestError: they are wrong.
    """
    return _parser().parse_args([_explicit(argument) for argument in arguments])


def _failed(reporter: Reporter, exc: AIRotoError) -> int:
    code = exit_code_of(exc)
    reporter.error(exc, code)
    return int(code)


def _explicit(argument: str) -> str:
    """A bare `--preview` would take the next argument for its folder."""
    return "--preview=" if argument == "--preview" else argument


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="airoto",
        description="AI rotoscoping: prompts in, mattes out, through a local inference server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"airoto {airoto.__version__}")
    verbs: Any = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in _VERBS:
        verb.register(verbs)
    return parser
