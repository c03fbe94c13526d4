"""The acceptance script itself, at the double: it has to be right before a real Nuke runs it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import session

SCRIPT = Path(__file__).resolve().parents[2] / "install" / "verify_in_nuke.py"


def test_the_acceptance_script_holds_at_the_double(capsys):
    session.reset(gui=False)
    session.set_root_format(192, 108)
    spec = importlib.util.spec_from_file_location("verify_in_nuke", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.CHECKS = tuple(
        one for one in module.CHECKS if one.__name__ != "nothing_foreign_is_loaded"
    )  # the double itself needs numpy
    assert module.main() == 0, capsys.readouterr().out
    assert "FAILED" not in capsys.readouterr().out
