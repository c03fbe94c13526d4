"""One job a node: begun, heard, ended, also where its node is gone meanwhile."""

from __future__ import annotations

from typing import Any, Callable

from airoto.errors import AIRotoError, BadRequestError, CancelledError
from airoto_client.node import jobs, remote
from airoto_nuke import host, nodes, panel, sync

Node = Any
Done = Callable[[Any, "AIRotoError | None"], None]

_running: dict[str, jobs.Job] = {}


def is_running(node: Node) -> bool:
    """Whether something is done for this node now."""
    job = _running.get(nodes.id_of(node))
    return job is not None and job.is_running


def cancel(node: Node) -> None:
    """Give up what is done for this node; finished frames are kept."""
    job = _running.pop(nodes.id_of(node), None)
    if job is not None:
        job.cancel()


def start(
    node: Node, work: jobs.Work, done: Done, on_event: Callable[[Any], None] | None = None
) -> None:
    """Begin a job for a node, which has one at a time.

    Args:
        done: called last, on the main thread; it calls `ended`.
        on_event: hears what the worker emits, on the main thread.

    Raises:
        BadRequestError: it has one already.
    """
    if is_running(node):
        raise BadRequestError(f"{node.name()} is still at work", hint="wait, or press Cancel first")
    node_id = nodes.id_of(node)

    def heard(event: Any) -> None:
        if not host.is_there(node):
            _drop(node_id)
            return
        try:
            with host.no_undo():
                _tell(node, event)
                if on_event is not None:
                    on_event(event)
        except AIRotoError as exc:
            job.fail(exc)

    def finished(result: Any, error: AIRotoError | None) -> None:
        if not host.is_there(node):
            _running.pop(node_id, None)
            return
        try:
            done(result, error)
        except AIRotoError as exc:
            ended(node, exc)

    post = host.post if host.is_gui() else None
    job = jobs.Job(work, on_event=heard, on_done=finished, post=post)
    _running[node_id] = job
    with host.no_undo():
        panel.put(node, "progress", "starting")
    job.start()


def ended(node: Node, error: AIRotoError | None) -> None:
    """A job is over: say so on the node, and in words where it failed.

    Raises:
        AIRotoError: it failed, in terminal mode.
    """
    _running.pop(nodes.id_of(node), None)
    words = "done"
    if isinstance(error, CancelledError):
        words = "cancelled; finished frames are kept"
    elif error is not None:
        words = f"failed: {error.message}"
    with host.no_undo():
        panel.put(node, "progress", panel.plain(words))
    sync.refresh(node)
    if error is not None and not isinstance(error, CancelledError):
        if not host.is_gui():
            raise error
        host.tell(remote.error_text(error))


def _drop(node_id: str) -> None:
    """The node is gone, and with it whoever wanted the answer."""
    job = _running.pop(node_id, None)
    if job is not None:
        job.cancel()


def _tell(node: Node, event: Any) -> None:
    if isinstance(event, remote.Going):
        panel.put(node, "progress", panel.plain(event.text))
        if not host.is_gui():
            host.log(f"{node.name()}: {event.text}")
