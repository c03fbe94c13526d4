"""`airoto bench`: measuring engines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airoto.errors import AIRotoError
from airoto_client.cli.reporting import error_lines
from airoto_client.exit_codes import ExitCode, exit_code_of
from airoto_server.app.bench import ablation, quality


def main(argv: Sequence[str] | None = None) -> int:
    """Run `airoto bench` with these arguments; returns the exit code.

    0 done, 2 wrong arguments or data, 3 a file cannot be read, 4 cannot be written, 6 an engine
    or vos-benchmark is missing or failed, 130 interrupted.
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as exc:
        # argparse ends the process for --help and for wrong arguments.
        return exc.code if isinstance(exc.code, int) else int(ExitCode.USAGE)
    try:
        options.run(options, lambda line: print(line, file=sys.stderr, flush=True))
    except AIRotoError as exc:
        print("\n".join(error_lines(exc)), file=sys.stderr)
        return int(exit_code_of(exc))
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    return int(ExitCode.DONE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airoto bench", description="Measure engines against ground truth."
    )
    verbs = parser.add_subparsers(metavar="WHAT", required=True)
    for name, module, what in (
        ("quality", quality, "J&F, clicks to 90 %, matting errors, and time, of any engines"),
        ("ablation", ablation, "what each kind of evidence is worth to the classic tracker"),
    ):
        # In `help`, argparse would take a % for a place to fill in.
        verb = verbs.add_parser(name, help=what.replace("%", "%%"), description=what)
        module.add_options(verb)
        verb.set_defaults(run=module.run)
    return parser
