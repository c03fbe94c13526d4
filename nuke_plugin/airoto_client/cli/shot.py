"""A recipe to mattes on disk, with progress: what `render` and `roto` end in."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, InternalError, OutputExistsError, PlateError, error_from_dict
from airoto.sequence import Pattern
from airoto.wire.messages import FrameRange, Overwrite, Recipe
from airoto.wire.recipe import recipe_hash, to_dict
from airoto_client.cli import events
from airoto_client.cli.inputs import SharedPlate, share_files
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopped, Stopper
from airoto_client.exit_codes import ExitCode, exit_code_of
from airoto_client.launcher import Server
from airoto_client.link import Message
from airoto_client.marks import provenance_of
from airoto_client.sharing import sees_folder, upload_locked


@dataclass
class ShotRender:
    """One render of a recipe.

    Attributes:
        recipe: valid, its paths absolute.
        plate: the plate's files, and how the server gets them.
        frames: which to deliver; None: all of the plate's.
        preview: folder for contact sheet and overlay; None: none are made.
        part: a `RenderPart`: only this part of it; empty: all.
    """

    server: Server
    reporter: Reporter
    stopper: Stopper
    recipe: Recipe
    plate: SharedPlate
    frames: FrameRange | None
    preview: Path | None
    part: Message = field(default_factory=dict)
    _count: Counter[str] = field(default_factory=Counter)
    _kept: frozenset[int] = frozenset()
    _total: int = 0
    _hash: str = ""
    _in_place: bool = False
    _code: ExitCode = ExitCode.DONE

    def run(self) -> ExitCode:
        """Render; the exit code is that of the first frame that failed, if one did.

        Raises:
            AIRotoError: the render failed; its hint says what is finished.
            Stopped: by a signal, after the call was cancelled.
        """
        self.recipe = share_files(self.server, self.recipe)
        if self.part.get("stage") == "RENDER_STAGE_TRACK":
            return self._rendered(self._request("DELIVERY_WRITE"))
        output = Path(self.recipe.output.path)
        seen = sees_folder(self.server.link, output.parent)
        self._in_place = seen.visible
        if seen.visible:
            request = self._request("DELIVERY_WRITE")
        else:
            self.reporter.event(
                events.note(
                    f"the server does not see {output.parent} ({seen.reason}), so the mattes are "
                    "fetched from it"
                )
            )
            todo = self._frames_to_fetch()
            if todo is None:
                return self._all_kept()
            request = self._request("DELIVERY_HANDLES", todo)
        return self._rendered(request)

    def _rendered(self, request: Message) -> ExitCode:
        """Send a request and take the answers, to the end."""
        try:
            with contextlib.closing(self.server.link.stream("Render", request)) as answers:
                ended = False
                for answer in answers:
                    self._take(answer)
                    ended = ended or "summary" in answer
        except AIRotoError as exc:
            if self.stopper.asked:  # which is why the call failed
                self.reporter.event(events.warning(f"stopped: {self._progress_in_words()}"))
                raise Stopped from exc
            raise self._with_progress(exc) from exc
        if not ended:
            raise InternalError("the server ended the render without a summary")
        return self._code

    # ---- the request ------------------------------------------------------------------

    def _request(self, delivery: str, frames: FrameRange | None = None) -> Message:
        frames = frames or self.frames
        request: dict[str, Any] = {
            "recipe": to_dict(self.recipe),
            "delivery": delivery,
            "uploads": self.plate.uploads,
            "preview": self.preview is not None,
            "locked": upload_locked(self.server.link, self.recipe),
        }
        if self.part:
            request["part"] = self.part
        if frames is not None:
            request["frames"] = {"first": frames.first, "last": frames.last}
        return request

    def _frames_to_fetch(self) -> FrameRange | None:
        """What is left to make where we write the files ourselves; None: nothing.

        Raises:
            OutputExistsError: the overwrite policy keeps a file that is in the way.
        """
        frames = self._span()
        policy = self.recipe.output.overwrite or Overwrite.OVERWRITE_RESUME
        # Approved files that lie there stay, whatever the policy.
        kept = [lock.frame for lock in self.recipe.locked if not lock.path]
        self._kept = frozenset(frame for frame in kept if frame in frames)
        there = [
            frame for frame in frames if frame not in self._kept and self._path(frame).exists()
        ]
        if policy == Overwrite.OVERWRITE_REPLACE:
            return FrameRange(first=frames[0], last=frames[-1])
        kept = [*self._kept]
        ours = recipe_hash(self.recipe)
        for frame in there:
            path = self._path(frame)
            made = provenance_of(path)
            if policy == Overwrite.OVERWRITE_REFUSE or made is None:
                why = "" if policy == Overwrite.OVERWRITE_REFUSE else " and AIRoto did not make it"
                raise OutputExistsError(
                    f"{path} is there already{why}",
                    frame=frame,
                    path=str(path),
                    hint="name another output, or give --overwrite replace",
                )
            # What the server would compare, the plate's content, only it can know.
            if made.get("recipe_hash") == ours and path.stat().st_mtime >= self.plate.newest:
                kept.append(frame)
        self._kept = frozenset(kept)
        left = [frame for frame in frames if frame not in self._kept]
        return FrameRange(first=left[0], last=left[-1]) if left else None

    # ---- the answers ------------------------------------------------------------------

    def _take(self, answer: Message) -> None:
        """Tell one `RenderResponse`, and fetch what it brings."""
        if "plan" in answer:
            self._take_plan(answer["plan"])
        elif "frame" in answer:
            self._take_frame(answer["frame"])
        elif "progress" in answer:
            self.reporter.event(events.progress_of(answer["progress"]))
        elif "queue" in answer:
            self.reporter.event(events.queue(answer["queue"]))
        elif "warning" in answer:
            found = answer["warning"]
            self.reporter.event(events.warning(found.get("message", ""), found.get("frame")))
        elif "preview" in answer:
            self._take_preview(answer["preview"])
        elif "review" in answer:
            self.reporter.event(events.review(answer["review"]))
        elif "summary" in answer:
            self._take_summary(answer["summary"])

    def _take_plan(self, found: Message) -> None:
        """Tell the plan, in which frames that we keep ourselves are not to be made."""
        event = events.plan(found)
        self._hash = event["recipe_hash"]
        if self._kept:
            span = self._span()
            self._total = len(span)
            event["frames_kept"] = sorted(self._kept)
            event["frames_to_deliver"] = len(span) - len(self._kept)
        else:
            self._total = event["frames_to_deliver"] + len(event["frames_kept"])
        self.reporter.event(event)
        for entry in found.get("found", []):
            self.reporter.event(events.found(entry, self.recipe.detect.frame))
        self._tell_kept()

    def _take_frame(self, found: Message) -> None:
        path = found.get("path", "")
        if found.get("handle"):
            number = found.get("frame", 0)
            path = str(self._path(number))
            if number in self._kept:  # told before; it lies between two that were to be made
                return
            self.server.link.download(found["handle"], path)
        event = events.frame(found, path)
        self._count[event["status"]] += 1
        self.reporter.event(event)

    def _take_preview(self, found: Message) -> None:
        if self.preview is None:
            return
        # A name that a server gives stays inside the folder.
        path = self.preview / Path(found.get("name", "preview")).name
        self.server.link.download(found["handle"], path)
        self.reporter.event(events.preview(found.get("kind", ""), str(path)))

    def _take_summary(self, found: Message) -> None:
        event = events.summary({**found, **self._count}, self.recipe.output.path)
        self.reporter.event(event)
        for problem in event["problems"]:
            error = error_from_dict(problem)
            self.reporter.event(events.warning(error.message, error.frame))
            if self._code is ExitCode.DONE:
                self._code = exit_code_of(error)

    def _all_kept(self) -> ExitCode:
        self._tell_kept()
        self._take_summary({})
        return ExitCode.DONE

    def _tell_kept(self) -> None:
        """Tell of the frames that we keep ourselves."""
        for number in sorted(self._kept):
            found = {"frame": number, "status": "FRAME_STATUS_KEPT"}
            self._count["kept"] += 1
            self.reporter.event(events.frame(found, str(self._path(number))))

    # ---- words ------------------------------------------------------------------------

    def _span(self) -> range:
        """The frames to deliver."""
        span = self.frames or self.recipe.plate.frames
        return range(span.first, span.last + 1)

    def _path(self, frame: int) -> Path:
        return Pattern.parse(self.recipe.output.path).path(frame, self.recipe.plate.view)

    def _progress_in_words(self) -> str:
        finished = max(self._count["done"] + self._count["kept"], self._on_disk())
        if not finished:
            return "no frame is finished yet"
        of_all = f" of {self._total}" if self._total else ""
        again = ""
        if self.recipe.output.overwrite in (0, Overwrite.OVERWRITE_RESUME):
            again = "; running the same command again keeps them and makes the rest"
        return f"{finished}{of_all} frames are finished{again}"

    def _on_disk(self) -> int:
        """Frames that the server finished in place; it may not have told of the last ones."""
        overwritten = self.recipe.output.overwrite == Overwrite.OVERWRITE_REPLACE
        if not self._in_place or not self._hash or overwritten:
            return 0
        count = 0
        for path in filter(Path.exists, map(self._path, self._span())):
            with contextlib.suppress(PlateError):  # it cannot be read: not finished
                count += (provenance_of(path) or {}).get("recipe_hash") == self._hash
        return count

    def _with_progress(self, exc: AIRotoError) -> AIRotoError:
        """The same error, its hint saying what is finished (once there was a plan)."""
        if not self._total:
            return exc
        hints = [exc.hint] if exc.hint else []
        return type(exc)(
            exc.message,
            hint="; ".join([*hints, self._progress_in_words()]),
            violations=exc.violations,
            frame=exc.frame,
            path=exc.path,
            retry_after=exc.retry_after,
            request_id=exc.request_id,
        )
