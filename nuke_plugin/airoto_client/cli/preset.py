"""`airoto preset list|show|check|diff|new|compile`: presets per show, without a server."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.keys import KEYS, Value
from airoto.presets.model import Resolved
from airoto.presets.names import Scope, parse_name
from airoto.presets.places import index_path, search_path
from airoto.presets.recipe_values import values_of
from airoto.presets.resolve import resolve
from airoto.wire import recipe as recipes
from airoto_client.cli import events
from airoto_client.cli.options import add_command, add_talk_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.files import atomic_file
from airoto_client.presets.compiler import (
    TIMEOUT,
    Compiled,
    compile_presets,
    last_data,
    write_index,
)
from airoto_client.presets.folders import read_file
from airoto_client.presets.reader import PresetError
from airoto_client.presets.writing import template


def register(verbs: Any) -> None:
    """Add the command and its own commands."""
    parser = add_command(verbs, "preset", run, "Presets per show: look at them, check, compile.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="what")
    _add(commands, "list", _list, "List all presets, and the files that they come from.")
    one = _add(commands, "show", _show, "Tell what holds, and where each value comes from.")
    one.add_argument("name", help="studio, SHOW, SHOW/sequence; with a task: 'SHOW:hair hero'")
    one.add_argument("--all", action="store_true", help="what is built in, too")
    one = _add(commands, "check", _check, "Tell everything that is wrong with presets.")
    one.add_argument("files", nargs="*", metavar="FILE", help="default: all of them")
    one = _add(commands, "diff", _diff, "Tell how two presets differ, or a recipe and its preset.")
    one.add_argument("left", metavar="A", help="a preset's name, or a recipe's file")
    one.add_argument("right", metavar="B", nargs="?", help="default: the preset of the recipe A")
    one = _add(commands, "new", _new, "Write a preset to begin with.")
    one.add_argument("name", help="as for show")
    one.add_argument("--out", required=True, metavar="FILE", help="its file (.toml)")
    one.add_argument("--from", dest="source", metavar="RECIPE", help="take the values of a recipe")
    one = _add(commands, "compile", _compile, "Write the index that hosts and servers read.")
    one.add_argument("--index", metavar="FILE", help="default: $AIROTO_PRESET_INDEX, or your own")
    one.add_argument("--fresh", action="store_true", help="forget what cannot be read now")
    one.add_argument("--watch", type=_seconds, metavar="SECONDS", help="go on, looking so often")


def _add(commands: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False
    )
    parser.set_defaults(call=call)
    parser.add_argument(
        "--path",
        metavar="FOLDERS",
        help="folders of presets, as in $AIROTO_PRESET_PATH (default: that, then airoto/presets "
        "in each folder of $NUKE_PATH)",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=TIMEOUT, metavar="SECONDS", help="for all folders"
    )
    add_talk_options(parser)
    return parser


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Do what was asked for."""
    code: ExitCode = options.call(options, reporter, stopper)
    return code


# ---- the commands ---------------------------------------------------------------------------


def _list(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    compiled = _compiled(options)
    presets = sorted(compiled.index.presets.values(), key=lambda one: one.name)
    for one in presets:
        if options.json:
            level = one.scope.level.value
            found = {"name": one.name, "level": level, "version": one.version, "file": one.file}
            reporter.event({"event": "preset", **found, "note": one.note})
        else:
            print(f"{one.name}  v{one.version}  {one.scope.level.value}  {one.file}", flush=True)
    _tell_problems(compiled, reporter)
    return ExitCode.DONE


def _show(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    compiled = _compiled(options)
    found = _resolved(compiled, options.name)
    keys = [key for key in KEYS if options.all or key in found.said]
    if options.json:
        values = {
            key: {
                "value": found.values[key].value,
                "from": found.values[key].source,
                "locked_by": found.locks.get(key, ""),
            }
            for key in keys
        }
        pin = {"policy": [], **found.pin()}
        reporter.event(
            {"event": "resolved", **pin, "values": values, "presets": list(found.presets)}
        )
    else:
        print(f"{found.scope}, version {found.version}, {found.hash}")
        print(f"presets, the farthest first: {', '.join(found.presets) or 'none'}")
        for key in keys:
            one = found.values[key]
            lock = f", locked by {found.locks[key]}" if key in found.locks else ""
            print(f"{key} = {json.dumps(one.value, ensure_ascii=False)}  ({one.source}{lock})")
        for rule in found.rules:
            said = ", ".join(
                f"{name} {value}" for name, value in rule.as_dict().items() if name != "preset"
            )
            print(f"allowed by {rule.preset}: {said}", flush=True)
    _tell_problems(compiled, reporter)
    return ExitCode.DONE


def _check(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    if options.files:
        wrong = []
        for file in options.files:
            try:
                read_file(file)
            except PresetError as exc:
                wrong.append(exc)
        count = len(options.files)
    else:
        compiled = _compiled(options, keep=False)
        wrong, count = list(compiled.problems), len(compiled.index.presets)
        for text in compiled.warnings:
            reporter.event(events.warning(text))
    for one in wrong:
        reporter.event(events.problem(one))
    if wrong:
        return ExitCode.USAGE
    reporter.event(events.note(f"{count} presets, nothing wrong"))
    return ExitCode.DONE


def _diff(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    compiled = _compiled(options)
    left, name = _values(compiled, options.left)
    right, _ = _values(compiled, options.right or name)
    keys = [key for key in KEYS if left.get(key) != right.get(key) and key in left.keys() & right]
    for key in keys:
        if options.json:
            reporter.event(
                {"event": "difference", "key": key, "left": left[key], "right": right[key]}
            )
        else:
            print(f"{key}: {json.dumps(left[key])} -> {json.dumps(right[key])}", flush=True)
    reporter.event(events.note(f"{len(keys)} difference{'' if len(keys) == 1 else 's'}"))
    return ExitCode.DONE


def _new(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    scope = parse_name(options.name)
    compiled = _compiled(options)
    above = {one: two for one, two in compiled.index.presets.items() if one != scope}
    # What would hold here without the new file: its task is not there yet.
    place = Scope(scope.show, scope.sequence)
    known = not place.show or any(one.show == place.show for one in above)
    inherited = resolve(above, place if known else Scope())
    before = {key: one.value for key, one in inherited.values.items()}
    said: dict[str, Value] = {}
    if options.source:
        found = values_of(recipes.to_dict(recipes.read(options.source)))
        said = {
            key: value
            for key, value in found.items()
            if value != before[key] and key not in inherited.locks
        }
    out = Path(options.out).absolute()
    with atomic_file(out, replace=False) as file:
        file.write(template(scope, said, before).encode("utf-8"))
    reporter.event(events.result("preset", str(out)))
    return ExitCode.DONE


def _compile(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    folders = _folders(options)
    path = options.index or index_path(os.environ, folders)
    told: tuple[str, ...] = ()
    while True:
        before = None if options.fresh and not told else last_data(path)
        compiled = compile_presets(folders, before=before, timeout=options.timeout)
        written = write_index(path, compiled.data)
        problems = tuple(one.message for one in compiled.problems)
        if problems != told:
            _tell_problems(compiled, reporter)
        told = problems
        if written or not options.watch:
            reporter.event(events.result("index", path, presets=len(compiled.index.presets)))
        if not options.watch:
            return ExitCode.DONE
        if stopper.wait(options.watch):
            stopper.check()


# ---- what they share ------------------------------------------------------------------------


def _folders(options: argparse.Namespace) -> tuple[str, ...]:
    if options.path is None:
        return search_path(os.environ)
    return search_path({"AIROTO_PRESET_PATH": options.path})


def _compiled(options: argparse.Namespace, *, keep: bool = True) -> Compiled:
    """All presets as they are now; what cannot be read, as the usual index has it."""
    folders = _folders(options)
    before = last_data(index_path(os.environ, folders)) if keep else None
    return compile_presets(folders, before=before, timeout=options.timeout)


def _resolved(compiled: Compiled, name: str) -> Resolved:
    return compiled.index.resolve(name)


def _values(compiled: Compiled, what: str) -> tuple[dict[str, Value], str]:
    """Values by key, and the name of the preset that a recipe began with."""
    if not what:
        raise BadRequestError("the recipe began with no preset", hint="name one as B")
    if not what.endswith(".json"):
        found = _resolved(compiled, what)
        return {key: one.value for key, one in found.values.items()}, what
    recipe = recipes.to_dict(recipes.read(what))
    name = str(recipe.get("preset", {}).get("name", ""))
    said = _resolved(compiled, name).said if name else {}
    open_values = values_of({})
    # What neither says does not differ; the colour of its plate is the shot's own.
    values = {
        key: value
        for key, value in values_of(recipe).items()
        if key in said or (value != open_values[key] and not key.startswith("plate."))
    }
    return values, name


def _tell_problems(compiled: Compiled, reporter: Reporter) -> None:
    """In a line each; `check` tells all of them."""
    for one in compiled.problems:
        reporter.event(events.warning(one.message))


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, above 0")
    return found
