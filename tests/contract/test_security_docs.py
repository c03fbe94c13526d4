"""The threat model names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
DOCS = HERE.parent / "docs" / "security.md"


def test_every_test_that_the_threat_model_names_exists() -> None:
    rows = DOCS.read_text("utf-8").split("## What is guarded against")[1].split("\n## ")[0]
    lines = [line for line in rows.splitlines() if line.startswith("| ")][1:]
    assert len(lines) >= 15
    there = {
        name
        for path in HERE.rglob("test_*.py")
        for name in re.findall(r"^\s*def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line.split("|")[3])
        assert named, f"no test holds this line: {line}"
        assert set(named) <= there, f"not there: {set(named) - there}"
