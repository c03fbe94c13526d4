"""The double against the `types-nuke` stubs: names and arity, nothing more.

The stubs are of Nuke 13.2 and have faults of their own, so they are parsed, not
imported: a direct comparison says which name differs. Overloads count together.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import nuke
import pytest


def stub_folder() -> Path:
    spec = importlib.util.find_spec("nuke-stubs")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("types-nuke is not installed")
    return Path(spec.submodule_search_locations[0])


@pytest.fixture(scope="module")
def stubs() -> dict[str, Any]:
    """Functions, classes and constants of the stubs by name; a function by all its overloads."""
    found: dict[str, Any] = {}
    for path in sorted(stub_folder().glob("*.pyi")):
        for item in ast.parse(path.read_text()).body:
            if isinstance(item, ast.FunctionDef):
                found.setdefault(item.name, []).append(item)
            elif isinstance(item, ast.ClassDef):
                found[item.name] = item
            elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                found.setdefault(item.target.id, None)
    return found


def public(thing: Any) -> list[str]:
    return [name for name in vars(thing) if not name.startswith("_")]


def arity(function: ast.FunctionDef, *, method: bool) -> tuple[int, float, list[str]]:
    """Fewest and most positional arguments, and their names."""
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    is_static = any(getattr(one, "id", "") == "staticmethod" for one in function.decorator_list)
    if method and not is_static:
        names = names[1:]
    least = len(names) - len(arguments.defaults)
    return least, float("inf") if arguments.vararg else len(names), names


def our_arity(function: Any, *, method: bool) -> tuple[int, int, list[str]]:
    names, least = [], 0
    parameters = list(inspect.signature(function).parameters.values())
    if method and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    for one in parameters:
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.KEYWORD_ONLY):
            continue
        names.append(one.name)
        least += one.default is one.empty
    return least, len(names), names


def differs(ours: Any, overloads: list[ast.FunctionDef], *, method: bool) -> str:
    """How a function differs from what the stub's overloads take together; empty if it agrees."""
    low, high, names = our_arity(ours, method=method)
    known = [arity(one, method=method) for one in overloads]
    least, most = min(one[0] for one in known), max(one[1] for one in known)
    if most == float("inf"):
        return ""  # the stub does not know
    if low < least or high > most:
        return f"takes {low} to {high}, the stub {least} to {most:g}"
    if not any(names == one[2][: len(names)] for one in known):
        return f"calls them {names}, the stub {[one[2] for one in known]}"
    return ""


def test_every_name_of_the_double_is_a_name_of_nukes(stubs):
    modules = {"annotations", "sys", "Path", "Any"}
    unknown = [
        name
        for name in public(nuke)
        if name not in stubs and name not in modules and not inspect.ismodule(vars(nuke)[name])
    ]
    assert unknown == []


def test_functions_take_what_nukes_take(stubs):
    wrong = {}
    for name in public(nuke):
        thing = vars(nuke)[name]
        if inspect.isfunction(thing) and isinstance(stubs.get(name), list):
            reason = differs(thing, stubs[name], method=False)
            if reason:
                wrong[name] = reason
    assert wrong == {}


def test_methods_are_nukes_and_take_what_nukes_take(stubs):
    wrong = {}
    for class_name in public(nuke):
        cls = vars(nuke)[class_name]
        known = stubs.get(class_name)
        if not inspect.isclass(cls) or not isinstance(known, ast.ClassDef):
            continue
        methods = methods_of(known, stubs)
        for name in public(cls):
            full = f"{class_name}.{name}"
            thing = inspect.getattr_static(cls, name)
            function = thing.__func__ if isinstance(thing, staticmethod) else thing
            if not inspect.isfunction(function):
                continue
            if name not in methods:
                wrong[full] = "the stubs have no such method"
                continue
            reason = differs(function, methods[name], method=not isinstance(thing, staticmethod))
            if reason:
                wrong[full] = reason
    assert wrong == {}


def methods_of(item: ast.ClassDef, stubs: dict[str, Any]) -> dict[str, list[ast.FunctionDef]]:
    """Methods of a class and its bases in the stubs."""
    found: dict[str, list[ast.FunctionDef]] = {}
    for base in item.bases:
        parent = stubs.get(getattr(base, "id", ""))
        if isinstance(parent, ast.ClassDef):
            found.update(methods_of(parent, stubs))
    own: dict[str, list[ast.FunctionDef]] = {}
    for one in item.body:
        if isinstance(one, ast.FunctionDef):
            own.setdefault(one.name, []).append(one)
    return {**found, **own}


def test_a_typo_is_an_error():
    with pytest.raises(AttributeError):
        nuke.thisNod()
    with pytest.raises(TypeError):
        nuke.toNode()
    with pytest.raises(AttributeError):
        nuke.nodes.Reed()
