"""One job a node: on a thread beside Blender, heard on the main thread by a timer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Callable

from airoto.errors import AIRotoError, BadRequestError, CancelledError, TimedOutError
from airoto_client.node import jobs, remote

from . import host, nodes

Node = Any
Done = Callable[[Any, "AIRotoError | None"], None]
_PUMP_EVERY = 0.1
_running: dict[str, jobs.Job] = {}
# In the background, by node: when its job was last heard of, and why it failed.
_heard_at: dict[str, float] = {}
_failed: dict[str, AIRotoError] = {}


def is_running(node: Node) -> bool:
    """Whether something is done for this node now."""
    return node.node_id in _running


def cancel(node: Node) -> None:
    """Give up what is done for this node; finished frames are kept."""
    job = _running.get(node.node_id)
    if job is not None:
        job.pump()
        job.cancel()
    _failed.pop(node.node_id, None)  # nobody waits for it


def start(
    node: Node,
    work: jobs.Work,
    done: Done,
    on_event: Callable[[Node, Any], None],
    steps: Iterator[str] = iter(()),  # noqa: B008 - nothing can be taken out of it
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Begin a job for a node, which has one at a time; in the background also wait for it.

    Args:
        enough: in the background: what need not be waited for any longer; `wait` hears the rest.
        done: called last with the result or the error, on the main thread.
        on_event: hears what the worker emits, on the main thread.
        steps: what is done on the main thread before the work begins, piece by piece; gives
            what comes next, in words.

    Raises:
        BadRequestError: it has one already.
        AIRotoError: it failed, in the background.
    """
    if is_running(node):
        raise BadRequestError(f"{node.name} is still at work", hint="wait, or press Cancel first")
    node_id, background = node.node_id, host.is_background()
    _failed.pop(node_id, None)

    def heard(event: Any) -> None:
        _heard_at[node_id] = time.monotonic()
        there = nodes.by_id(node_id)  # undo gives every data-block a new address
        if there is None:
            job.cancel()
            return
        try:
            _tell(there, event)
            on_event(there, event)
        except AIRotoError as exc:
            job.fail(exc)

    def finished(result: Any, error: AIRotoError | None) -> None:
        _running.pop(node_id, None)
        try:
            done(result, error)
        except AIRotoError as exc:
            error = exc
        there = nodes.by_id(node_id)
        if there is not None:
            _ended(there, error)
        if error is not None and background:
            _failed[node_id] = error

    job = jobs.Job(work, on_event=heard, on_done=finished, post=lambda _: None)
    _running[node_id] = job
    node.progress = "starting"
    if not background:
        host.later(lambda: _step(node_id, job, steps), 0.0)
        return
    while _stepped(node_id, job, steps):
        pass
    wait(node, enough)


def wait(node: Node, enough: Callable[[], bool] = lambda: False) -> None:
    """In the background: hear of the node's job until that is enough, or the job is over.

    Raises:
        AIRotoError: it failed before that.
    """
    node_id, patience = node.node_id, node.patience
    job = _running.get(node_id)
    _heard_at[node_id] = time.monotonic()
    while job is not None and job.is_running:
        job.pump()
        if enough():
            return
        if time.monotonic() - _heard_at[node_id] > patience:
            job.fail(TimedOutError(f"the server said nothing for {patience} seconds"))
        time.sleep(0.005)
    if node_id in _failed and not enough():
        raise _failed.pop(node_id)


def _stepped(node_id: str, job: jobs.Job, steps: Iterator[str]) -> bool:
    """One step; whether there are more. After the last one the work begins."""
    if not job.is_running:
        return False
    try:
        nodes.there(node_id)
        words = next(steps)
        nodes.there(node_id).progress = words
        return True
    except StopIteration:
        job.start()
    except AIRotoError as exc:
        job.fail(exc)
    return False


def _step(node_id: str, job: jobs.Job, steps: Iterator[str]) -> float | None:
    more = _stepped(node_id, job, steps)
    host.redraw()
    if more:
        return 0.0
    if not job.is_running:
        return None
    host.later(lambda: _pump(job), _PUMP_EVERY)
    return None


def _pump(job: jobs.Job) -> float | None:
    job.pump()
    host.redraw()
    return _PUMP_EVERY if job.is_running else None


def _ended(node: Node, error: AIRotoError | None) -> None:
    if isinstance(error, CancelledError):
        node.progress = "cancelled; finished frames are kept"
    else:
        node.progress = "" if error is None else f"failed: {error.message}"
    nodes.refresh(node)
    if error is not None and not isinstance(error, CancelledError) and not host.is_background():
        host.tell(remote.error_text(error))


def _tell(node: Node, event: Any) -> None:
    if isinstance(event, remote.Going):
        node.progress = event.text
