"""Tasks of a farm job that Nuke runs (`airoto_client.farm.script` names them)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.exit_codes import ExitCode, exit_code_of
from airoto_client.node import cache_paths, remote
from airoto_nuke import host, nodes, plates, work

_USAGE = "usage: plate SCRIPT NODE FIRST LAST PATTERN"


def main(arguments: Sequence[str]) -> int:
    """Run one task; the return value is an exit code of `airoto` (`airoto_client.exit_codes`)."""
    try:
        if len(arguments) != 6 or arguments[0] != "plate":
            raise BadRequestError(_USAGE)
        _, script, node, first, last, pattern = arguments
        render_plate(script, node, int(first), int(last), pattern)
    except AIRotoError as exc:
        print(f"AIRoto: {remote.error_text(exc)}", file=sys.stderr)  # noqa: T201 - a farm's log
        return int(exit_code_of(exc))
    except ValueError as exc:
        print(f"AIRoto: {exc}; {_USAGE}", file=sys.stderr)  # noqa: T201 - a farm's log
        return int(ExitCode.USAGE)
    return int(ExitCode.DONE)


def render_plate(script: str, name: str, first: int, last: int, pattern: str) -> None:
    """Render what a node sees into its cache; frames that are there stay.

    Args:
        pattern: where the job expects the frames.

    Raises:
        BadRequestError: there is no such node, or its plate is another than when the job was made.
        OutputError: a frame cannot be rendered.
    """
    host.open_script(script)
    node = host.node(name)
    if node is None or nodes.kind_of(node) is None:
        raise BadRequestError(f"{script} has no AIRoto node {name}")
    plate = plates.plate_of(node, fresh=True)
    found = cache_paths.plate_pattern(nodes.folder_of(node), nodes.sized(node, plate))
    if found != pattern:
        raise BadRequestError(
            f"the plate of {name} is not what it was when the job was made: it belongs into "
            f"{found}, and the job expects {pattern}",
            hint="save the script and make the job anew",
        )
    work.render_plate(node, plate, range(first, last + 1), plates.view_of(node))
