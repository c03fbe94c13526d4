"""The oldest Python and packages that a client may have."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from airoto.wire.messages import Recipe
from airoto.wire.recipe import recipe_hash, to_json

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-py39" / "bin" / "python"

IMPORT_ALL = """
import importlib, pkgutil, sys
import airoto, airoto.sequence, airoto.wire
assert sys.version_info[:2] == (3, 9), sys.version
for module in pkgutil.iter_modules(airoto.wire.__path__, "airoto.wire."):
    importlib.import_module(module.name)
    print(module.name)
"""

HASH = """
import sys
from airoto.wire.recipe import from_json, recipe_hash, to_json, validate
text = sys.stdin.read()
recipe = from_json(text)
validate(recipe)
assert to_json(recipe) == text
print(recipe_hash(recipe))
"""


def run_on_python_3_9(code: str, given: str = "") -> list[str]:
    if not PYTHON.exists():
        pytest.skip(".venv-py39 is not here; install/test.sh makes it where there is a Python 3.9")
    done = subprocess.run(
        [str(PYTHON), "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'proto'}:{ROOT / 'nuke_plugin'}",
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_generated_code_imports_on_python_3_9() -> None:
    imported = run_on_python_3_9(IMPORT_ALL)
    assert {"airoto.wire.messages", "airoto.wire.recipe", "airoto.wire.status"} <= set(imported)


def test_a_recipe_has_the_same_hash_and_file_on_python_3_9(recipe: Recipe) -> None:
    recipe.objects[0].prompts[0].points[0].x = 0.1 + 0.2
    recipe.plate.path = "plätes/plate.####.exr"
    assert run_on_python_3_9(HASH, to_json(recipe)) == [recipe_hash(recipe)]
