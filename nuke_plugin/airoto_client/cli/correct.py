"""`airoto correct RECIPE`: prompts on more frames, approved frames; the recipe is written anew."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.sequence import Pattern, compress_frames
from airoto.wire import recipe as recipes
from airoto.wire.messages import LockedFrame, Recipe, RotoObject
from airoto_client.cli import events
from airoto_client.cli.options import add_command, add_talk_options
from airoto_client.cli.prompts import DEFAULT_OBJECT, add_prompt_options, build_objects
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.files import sha256_of

_FRAMES = re.compile(r"(-?\d+)(?:-(-?\d+))?")


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs, "correct", run, "Add prompts to a recipe on any frames, approve frames, or undo it."
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe, which is written anew")
    add_prompt_options(parser)
    group = parser.add_argument_group("frames", "1001, 1001-1010, or several with commas between")
    group.add_argument(
        "--remove", type=_frames, default=(), metavar="FRAMES", help="remove prompts there"
    )
    group.add_argument(
        "--lock",
        type=_frames,
        default=(),
        metavar="FRAMES",
        help="approve their mattes as they are: kept for good, and keyframes for the rest",
    )
    group.add_argument(
        "--unlock", type=_frames, default=(), metavar="FRAMES", help="make them again"
    )
    add_talk_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, _stopper: Stopper) -> ExitCode:
    """Change the recipe."""
    place = Path(options.recipe)
    recipe = recipes.read(place)
    if options.prompts:
        _add(recipe, build_objects(options.prompts))
    _remove(recipe, options.remove, place)
    _lock(recipe, options.lock, place.absolute().parent)
    _unlock(recipe, options.unlock, place)
    recipes.validate(recipe)
    recipes.write(recipe, place)
    reporter.event(events.result("recipe", str(place)))
    return ExitCode.DONE


def _add(recipe: Recipe, objects: Sequence[RotoObject]) -> None:
    """Put prompts to the objects of their names; one on the same frame is replaced."""
    by_name = {one.name: one for one in recipe.objects}
    for new in objects:
        target = by_name.get(new.name)
        if target is None and new.name == DEFAULT_OBJECT and len(recipe.objects) == 1:
            target = recipe.objects[0]
        if target is None:
            raise BadRequestError(
                f"the recipe has no object {new.name!r}",
                hint=f"its objects: {', '.join(by_name) or 'none'}; name one with --object",
            )
        for prompt in new.prompts:
            if prompt.mask.path:
                prompt.mask.path = str(Path(prompt.mask.path).absolute())
            others = [one for one in target.prompts if one.frame != prompt.frame]
            kept = sorted([*others, prompt], key=lambda one: one.frame)
            del target.prompts[:]
            target.prompts.extend(kept)


def _remove(recipe: Recipe, frames: Sequence[int], place: Path) -> None:
    found = {prompt.frame for one in recipe.objects for prompt in one.prompts}
    _check_there(set(frames) - found, "no prompt", place)
    for one in recipe.objects:
        kept = [prompt for prompt in one.prompts if prompt.frame not in frames]
        del one.prompts[:]
        one.prompts.extend(kept)


def _lock(recipe: Recipe, frames: Sequence[int], folder: Path) -> None:
    """Approve the files that the recipe's output has now, by their content.

    Raises:
        BadRequestError: a frame has no file.
    """
    if not frames:
        return
    output = Pattern.parse(recipe.output.path).resolved(folder)
    kept = {lock.frame: lock for lock in recipe.locked}
    for frame in frames:
        path = output.path(frame, recipe.plate.view)
        if not path.is_file():
            raise BadRequestError(
                f"frame {frame} has no matte that could be approved: {path} is not there",
                frame=frame,
                path=str(path),
                hint="render it first",
            )
        kept[frame] = LockedFrame(frame=frame, sha256=f"sha256:{sha256_of(path)}")
    locks = [kept[frame] for frame in sorted(kept)]
    del recipe.locked[:]
    recipe.locked.extend(locks)


def _unlock(recipe: Recipe, frames: Sequence[int], place: Path) -> None:
    _check_there(set(frames) - {lock.frame for lock in recipe.locked}, "no approval", place)
    kept = [lock for lock in recipe.locked if lock.frame not in frames]
    del recipe.locked[:]
    recipe.locked.extend(kept)


def _check_there(missing: set[int], what: str, place: Path) -> None:
    if missing:
        raise BadRequestError(f"{place} has {what} on {compress_frames(missing)}")


def _frames(text: str) -> tuple[int, ...]:
    """`1001,1005-1010` as argparse's `type`."""
    frames: set[int] = set()
    for part in text.split(","):
        match = _FRAMES.fullmatch(part.strip())
        first = int(match[1]) if match else 1
        last = int(match[2] or match[1]) if match else 0
        if not first <= last < first + 100_000:
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: 1001, 1001-1010, 1001,1005-1010")
        frames.update(range(first, last + 1))
    return tuple(sorted(frames))
