"""`airoto farm status JOB` and `airoto farm report JOB`: what became of a job."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, InternalError
from airoto.wire.messages import FrameRange
from airoto_client.cli import events
from airoto_client.cli.inputs import share_plate
from airoto_client.cli.options import add_server_options, add_talk_options, using_server
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.shot import ShotRender
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.farm.job import FarmJob, Stage, read_job
from airoto_client.farm.report import Shown, write_report
from airoto_client.farm.status import (
    FrameState,
    JobStatus,
    StepStatus,
    job_recipe,
    job_status,
    status_event,
    status_lines,
)

PICTURES_FOLDER = "pictures"
_SHEET, _MOVIE = "contact_sheet", "overlay"


def register(commands: Any) -> None:
    """Add both commands to those of `farm`."""
    text = "Tell how far a job is: done, failed and missing frames by step."
    one = commands.add_parser("status", help=text, description=text, allow_abbrev=False)
    one.set_defaults(call=_status)
    one.add_argument("job", metavar="JOB", help="a job's folder")
    one.add_argument("--watch", type=float, metavar="SECONDS", help="again and again, until done")
    one.add_argument(
        "--pictures", action="store_true", help="a contact sheet of what is finished, too"
    )
    add_server_options(one)
    add_talk_options(one)
    text = "Write a job's report: one HTML file with pictures, curves, times and warnings."
    one = commands.add_parser("report", help=text, description=text, allow_abbrev=False)
    one.set_defaults(call=_report)
    one.add_argument("job", metavar="JOB", help="a job's folder")
    one.add_argument("--no-pictures", action="store_true", help="start no server; curves alone")
    add_server_options(one)
    add_talk_options(one)


def _status(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    job = read_job(options.job)
    while True:
        status = job_status(job)
        if options.json:
            reporter.event(status_event(status))
        else:
            print("\n".join(status_lines(status)), flush=True)
        if not options.watch or status.done:
            break
        end = time.monotonic() + max(1.0, options.watch)
        while time.monotonic() < end:
            stopper.check()
            time.sleep(0.1)
    if options.pictures:
        for step in _matte_steps(status):
            _draw(options, reporter, stopper, job, step)
    return ExitCode.DONE


def _report(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    job = read_job(options.job)
    status = job_status(job)
    pictures: list[Shown] = []
    notes: list[str] = []
    for step in _matte_steps(status):
        if options.no_pictures:
            continue
        try:
            found = _draw(options, reporter, stopper, job, step)
        except AIRotoError as exc:
            notes.append(f"Without pictures of {step.step.name}: {exc.message}")
            reporter.event(events.warning(notes[-1]))
            continue
        if found is None:
            notes.append(f"Without pictures of {step.step.name}: no stretch of it is finished.")
        else:
            pictures.append(found)
    path = write_report(status, pictures, notes=notes)
    reporter.event(events.result("report", str(path)))
    return ExitCode.DONE


def _matte_steps(status: JobStatus) -> list[StepStatus]:
    return [one for one in status.steps if one.step.stage is Stage.MATTE and one.step.recipe]


def _draw(
    options: argparse.Namespace,
    reporter: Reporter,
    stopper: Stopper,
    job: FarmJob,
    step: StepStatus,
) -> Shown | None:
    """Pictures of the longest finished stretch of a step; None where nothing is finished.

    A server draws them: the frames are there, so that none is made.
    """
    stretch = longest_stretch(step.of(FrameState.DONE))
    if stretch is None:
        return None
    folder = Path(job.folder) / PICTURES_FOLDER / step.step.name
    drawn = _Drawn(reporter)
    recipe = job_recipe(job, step.step)
    with using_server(options, drawn, stopper) as server:
        plate = share_plate(server, drawn, recipe.plate, stretch)
        frames = FrameRange(first=stretch[0], last=stretch[1])
        part = {"stage": "RENDER_STAGE_MATTE"}
        ShotRender(server, drawn, stopper, recipe, plate, frames, folder, part).run()
    sheet = drawn.pictures.get(_SHEET)
    if sheet is None:
        raise InternalError(f"the server drew no picture of frames {stretch[0]}-{stretch[1]}")
    return Shown(sheet, drawn.pictures.get(_MOVIE))


def longest_stretch(frames: list[int]) -> tuple[int, int] | None:
    """First and last of the longest run of neighbours (the first of equally long ones)."""
    best: tuple[int, int] | None = None
    begin: int | None = None
    for index, frame in enumerate(frames):
        if begin is None or frame != frames[index - 1] + 1:
            begin = frame
        if best is None or frame - begin > best[1] - best[0]:
            best = (begin, frame)
    return best


class _Drawn(Reporter):
    """Hears of pictures, and tells those alone; ends a render that would make mattes."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.pictures: dict[str, Path] = {}

    def event(self, event: events.Event) -> None:
        """Keep what was drawn.

        Raises:
            BadRequestError: mattes would be made again.
        """
        if event["event"] == "plan" and event["frames_to_deliver"]:
            raise BadRequestError(
                f"{event['frames_to_deliver']} finished frames are not as the server would make "
                "them now (the plate, or AIRoto itself, changed since)",
                hint="run the job again to make them anew",
            )
        if event["event"] == "preview":
            self.pictures[event["kind"]] = Path(event["path"])
            self._reporter.event(event)
        elif event["event"] == "warning":
            self._reporter.event(event)
