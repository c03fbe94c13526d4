"""“Render mattes on farm...”: a job of the saved script's AIRoto nodes, written, run or submitted.

The job is made by `airoto farm` from the saved script, outside Nuke: what the farm gets is what
anybody would make of that file.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, InternalError, OutputError
from airoto.presets.keys import KEYS, Value
from airoto_client.bridge_protocol import scrubbed_environment
from airoto_client.files import write_error
from airoto_client.node import links, remote
from airoto_nuke import host, nodes, preset_tokens
from airoto_nuke.knobs import NodeKind

Node = Any
# What happens once the folder is written.
WRITE, RUN, SUBMIT = "write-only", "run-here", "submit"
# Fields of the panel that are keys of presets, with their words.
_FIELDS = {
    "farm.chunk_frames": "frames a task",
    "farm.queue": "pool or queue",
    "farm.priority": "priority",
    "farm.limits": "limits",
    "farm.retries": "retries",
}
_NODES, _JOB, _COMP, _THEN, _TO = "nodes", "job folder", "Writes too", "then", "submit to"
# Seconds that making or submitting a job may take.
_PATIENCE = 600.0
# Characters of a command's own words in a message.
_TOLD = 2000


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Attributes:
        script: the saved script.
        nodes: full names.
        job: the job's folder, absolute.
        wishes: values of `farm.*` keys.
        comp: whether Writes that need the mattes are rendered by the job too.
        then: `WRITE`, `RUN` or `SUBMIT`.
        to: where it is submitted (`deadline-cloud`).
    """

    script: str
    nodes: tuple[str, ...]
    job: str
    wishes: dict[str, Value]
    comp: bool = False
    then: str = WRITE
    to: str = ""

    def commands(self) -> list[list[str]]:
        """Arguments of `airoto`, one command after the other."""
        flags = [f"--{key[5:].replace('_', '-')}={value}" for key, value in self.wishes.items()]
        chosen = [word for name in self.nodes for word in ("--node", name)]
        made = ["farm", "template", self.script, *chosen, "--job", self.job, *flags]
        made += ["--comp"] if self.comp else []
        after = {
            WRITE: [],
            RUN: [["farm", "run", self.job]],
            SUBMIT: [["farm", "submit", self.job, "--to", self.to]],
        }
        return [made, *after[self.then]]


def open_panel() -> None:
    """From the menu: ask, save the script, and make the job beside Nuke's own work."""
    try:
        order = _asked()
        if order is not None:
            host.save_script()
            _start(order)
    except AIRotoError as exc:
        host.tell(remote.error_text(exc))


def order_of(chosen: Sequence[Node], **changes: Any) -> Order:
    """What the preset of the first node says, for these nodes; for scripts of a studio's own.

    Args:
        changes: fields of `Order` that differ.

    Raises:
        BadRequestError: the script was never saved, or there is no node to be made.
    """
    script = host.script_path()
    if not script:
        raise BadRequestError("the script was never saved", hint="save it first")
    if not chosen:
        raise BadRequestError("there is no AIRoto node to be made")
    kept = preset_tokens.taken_by(chosen[0])
    folder, name = os.path.split(script)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    values: dict[str, Any] = {
        "script": script,
        "nodes": tuple(str(one.fullName()) for one in chosen),
        "job": f"{folder}/airoto/jobs/{name.rpartition('.')[0]}_{stamp}",
        "wishes": {key: kept.wanted(key) for key in _FIELDS},
        **changes,
    }
    return Order(**values)


def make(order: Order, tell: Callable[[str], None]) -> str:
    """Make the job and do what comes then; the job's folder.

    Blocks; a job that is run here goes on by itself, with its words in `run.log` in its folder.

    Raises:
        AIRotoError: a command failed; with its own words.
    """
    first, *later = order.commands()
    _run(first)
    for one in later:
        if order.then == RUN:
            tell(f"the job runs here; it tells how it goes in {_go(one, order.job)}")
        else:
            tell(_run(one))
    return order.job


def farmable() -> list[Node]:
    """The selected AIRoto nodes; all of the script where none is selected."""
    there = [one for one in nodes.ours() if nodes.kind_of(one) is NodeKind.ROTO]
    chosen = {str(one.fullName()) for one in host.selected()}
    picked = [one for one in there if str(one.fullName()) in chosen]
    return picked or [one for one in there if not bool(nodes.value(one, "disable", False))]


def _asked() -> Order | None:
    order = order_of(farmable())
    fields = [
        host.Field(_NODES, " ".join(order.nodes)),
        host.Field(_JOB, order.job),
        *(host.Field(words, str(order.wishes[key])) for key, words in _FIELDS.items()),
        host.Field(_COMP, ("no", "yes")),
        host.Field(_THEN, (WRITE, RUN, SUBMIT)),
        host.Field(_TO, "deadline-cloud"),
    ]
    said = host.ask_form("Render mattes on farm", fields)
    if said is None:
        return None
    return Order(
        script=order.script,
        nodes=tuple(said[_NODES].split()),
        job=said[_JOB].strip(),
        wishes={key: _checked(key, said[words]) for key, words in _FIELDS.items()},
        comp=said[_COMP] == "yes",
        then=said[_THEN],
        to=said[_TO].strip(),
    )


def _checked(key: str, text: str) -> Value:
    """A field's text as its key has it.

    Raises:
        BadRequestError: it is not allowed.
    """
    spec, found = KEYS[key], text.strip()
    value: Value = found
    if not isinstance(spec.default, str) and found.lstrip("-").isdigit():
        value = int(found)
    allowed = spec.wrong(value)
    if allowed:
        raise BadRequestError(f"{_FIELDS[key]}: {found!r}; allowed: {allowed}")
    return value


def _start(order: Order) -> None:
    """On a worker thread, as a farm's server may take its time."""

    def work() -> None:
        said: list[str] = []
        try:
            folder = make(order, said.append)
            words = "\n".join([f"The job lies in {folder}", *said])
        except AIRotoError as exc:
            words = remote.error_text(exc)
        except Exception as exc:  # noqa: BLE001 - the seam: the artist has to hear of a fault of ours
            words = f"a fault of AIRoto: {exc!r}"
        host.post(lambda: host.tell(words))

    threading.Thread(target=work, name="airoto farm", daemon=True).start()


def _run(arguments: Sequence[str]) -> str:
    """Run a command to its end; what it said.

    Raises:
        BadRequestError, InternalError: it failed.
    """
    try:
        done = subprocess.run(
            [*links.command(), *arguments],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise InternalError(f"airoto {arguments[1]} could not be run: {exc}") from exc
    said = (done.stderr.strip() or done.stdout.strip())[-_TOLD:]
    if done.returncode:
        raise BadRequestError(f"airoto farm {arguments[1]} failed: {said}")
    return said


def _go(arguments: Sequence[str], job: str) -> Path:
    """Start a command that goes on by itself; its log.

    Raises:
        OutputError: the log cannot be written.
    """
    log = Path(job) / "run.log"
    try:
        with log.open("ab") as out:
            subprocess.Popen(
                [*links.command(), *arguments],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as exc:
        error: OutputError = write_error(exc, log)
        raise error from exc
    return log


def _environment() -> dict[str, str]:
    """Ours without what Nuke put into it, but with the studio's presets."""
    made = scrubbed_environment()
    plugins = os.environ.get("NUKE_PATH")
    return {**made, "NUKE_PATH": plugins} if plugins else made
