"""How a command talks: a progress bar on a terminal, plain lines elsewhere, JSON for programs.

Results go to standard output; notes, progress and errors to standard error. With `--json`
every event is a line on standard output.
"""

from __future__ import annotations

import json
import sys
import time

from airoto.errors import AIRotoError
from airoto_client.cli import events
from airoto_client.cli.events import Event
from airoto_client.exit_codes import ExitCode

# Off a terminal, progress is told after so many percent or seconds, whichever comes first.
_STEP_PERCENT = 5.0
_STEP_SECONDS = 10.0


class Reporter:
    """Tells people nothing: only errors and results. The base of the others (`--quiet`)."""

    def event(self, event: Event) -> None:
        """Tell one event."""
        if event["event"] in ("result", "preview"):
            print(event["path"], flush=True)
        elif event["event"] == "summary":
            print(event["output"], flush=True)
        elif event["event"] == "problem":
            print(describe(event), file=sys.stderr, flush=True)
        elif event["event"] in ("found", "submitted"):
            print(describe(event), flush=True)

    def detail(self, message: str) -> None:
        """Tell something that only `--verbose` shows."""

    def error(self, exc: AIRotoError, code: ExitCode) -> None:
        """Tell why the command ended: what, where, what is allowed, what to do."""
        self.close()
        print("\n".join(error_lines(exc)), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the terminal as it was."""


class JsonReporter(Reporter):
    """One JSON object a line, for programs. Errors also go to standard error, for logs."""

    def event(self, event: Event) -> None:
        """Write the event as it is."""
        print(json.dumps(event, ensure_ascii=False), flush=True)

    def error(self, exc: AIRotoError, code: ExitCode) -> None:
        """Write the error as an event, and as text."""
        self.event(events.error(exc, code))
        super().error(exc, code)


class PlainReporter(Reporter):
    """Lines that read well in a log."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._stages: set[str] = set()
        self._told_at = 0.0
        self._told_percent = 0.0
        self._told_place = -1

    def event(self, event: Event) -> None:
        """Tell one event in words."""
        kind = event["event"]
        if kind == "progress":
            self.progress(event)
        elif kind == "queue":
            self.queue(event)
        elif kind in ("result", "preview", "found", "submitted"):
            print(describe(event), flush=True)
        elif kind == "summary":
            self.close()
            print(describe(event), flush=True)
        elif kind != "frame" or self._verbose:
            self.line(describe(event))

    def detail(self, message: str) -> None:
        """Tell it where `--verbose` was given."""
        if self._verbose:
            self.line(message)

    def line(self, text: str) -> None:
        """One line on standard error."""
        print(text, file=sys.stderr, flush=True)

    def queue(self, event: Event) -> None:
        """A line for a new place, and then every few seconds."""
        now = time.monotonic()
        if event["position"] != self._told_place or now - self._told_at >= _STEP_SECONDS:
            self._told_place, self._told_at = event["position"], now
            self.line(describe(event))

    def progress(self, event: Event) -> None:
        """A line for a new stage, and then every few percent or seconds."""
        percent = 100.0 * event["done"] / max(1, event["total"])
        now = time.monotonic()
        if (
            event["stage"] in self._stages
            and abs(percent - self._told_percent) < _STEP_PERCENT
            and now - self._told_at < _STEP_SECONDS
        ):
            return
        self._stages.add(event["stage"])
        self._told_at, self._told_percent = now, percent
        self.line(describe(event))


class TerminalReporter(PlainReporter):
    """A progress bar that names the stage; everything else scrolls above it."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("", total=None, left="")

    def line(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, event: Event) -> None:
        """Move the bar."""
        self._bar.start()
        self._bar.update(
            self._task,
            description=event["stage"],
            completed=event["done"],
            total=max(1, event["total"]),
            left=time_left(event),
        )

    def close(self) -> None:
        """Leave the bar where it is and the cursor below it."""
        self._bar.stop()


def make_reporter(*, as_json: bool, quiet: bool, verbose: bool) -> Reporter:
    """The reporter that the options and the terminal ask for."""
    if as_json:
        return JsonReporter()
    if quiet:
        return Reporter()
    if sys.stderr.isatty():
        return TerminalReporter(verbose=verbose)
    return PlainReporter(verbose=verbose)


def describe(event: Event) -> str:
    """One event in words."""
    kind = event["event"]
    if kind == "plan":
        kept = len(event["frames_kept"])
        tail = f", {kept} finished before" if kept else ""
        return f"plan: {event['frames_to_deliver']} frames{tail}; recipe {event['recipe_hash']}"
    if kind == "frame":
        return f"frame {event['frame']}: {event['status']} {event['path']}".rstrip()
    if kind == "found":
        box = ",".join(f"{side:g}" for side in (round(side, 1) for side in event["box"]))
        return f"{event['name']}: {event['frame']}:{box} (score {event['score']:.3f})"
    if kind == "progress":
        left = time_left(event)
        return f"{event['stage']}: {event['done']}/{event['total']}" + (f", {left}" if left else "")
    if kind == "queue":
        return in_the_queue(event)
    if kind == "warning":
        where = "" if event["frame"] is None else f"frame {event['frame']}: "
        return f"warning: {where}{event['message']}"
    if kind == "problem":
        wrong = (
            f"{one['path']}: {one['found']}; allowed: {one['allowed']}"
            for one in event["violations"]
        )
        more = [f"  {text}" for text in wrong if text not in event["message"]]
        more += [f"  hint: {event['hint']}"] if event["hint"] else []
        return "\n".join([f"problem: {event['message']}", *more])
    if kind == "submitted":
        step = event["step"]
        return f"{event['manager']}: {f'{step} is ' if step else ''}{event['id']}"
    if kind in ("preview", "result"):
        score = f" (score {event['score']:.3f})" if "score" in event else ""
        return f"{event['kind'].replace('_', ' ')}: {event['path']}{score}"
    if kind == "review":
        lines = [f"  {one['frame']}: {one['message']}" for one in event["frames"]]
        return "\n".join(["worth a look:", *lines])
    if kind == "summary":
        counts = [f"{event['done']} frames made"]
        counts += [f"{event[word]} {word}" for word in ("kept", "skipped") if event[word]]
        cached = ", ".join(f"{n} {stage}" for stage, n in sorted(event["stage_cached"].items()))
        counts += [f"from the cache: {cached}"] if cached else []
        return f"{', '.join(counts)} in {event['seconds']:.1f} s: {event['output']}"
    return str(event["message"])


def in_the_queue(event: Event) -> str:
    """Where a render waits, and for how long."""
    if not event["position"]:
        return "queue: it begins"
    wait = event["wait_seconds"]
    about = "" if wait is None else f", about {clock(wait)}"
    running = event["running"]
    others = "1 render is running" if running == 1 else f"{running} renders are running"
    return f"queue: place {event['position']}{about}; {others}"


def clock(seconds: float) -> str:
    """`3:20`, or `27:46:40` where it takes hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_left(event: Event) -> str:
    """`about 3:20 left`, or empty."""
    left = event["seconds_left"]
    if left is None or event["done"] >= event["total"]:
        return ""
    return f"about {clock(left)} left"


def error_lines(exc: AIRotoError) -> list[str]:
    """An error as a block of lines: what, where, what is allowed, what to do."""
    lines = [f"airoto: {exc.message}"]
    where = [f"frame {exc.frame}"] if exc.frame is not None else []
    where += [exc.path] if exc.path and exc.path not in exc.message else []
    if where:
        lines.append(f"  where: {', '.join(where)}")
    # A message may already be its violations, written out.
    lines += [f"  {violation}" for violation in exc.violations if str(violation) not in exc.message]
    if exc.retry_after:
        lines.append(f"  try again after: {exc.retry_after:g} s")
    if exc.hint:
        lines.append(f"  hint: {exc.hint}")
    if exc.request_id:
        lines.append(f"  request: {exc.request_id} (in the server's log)")
    return lines
