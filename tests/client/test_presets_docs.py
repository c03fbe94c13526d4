"""Every preset in the documentation is one that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airoto.presets.keys import KEYS
from airoto_client.presets.compiler import compile_presets
from airoto_client.presets.reader import parse

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = [
    pytest.param(text, id=f"{page.name}:{page.read_text()[: found.start()].count(chr(10)) + 1}")
    for page in sorted(DOCS.glob("*.md"))
    for found in re.finditer(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S)
    for text in [found[1]]
    if "format = " in text
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_documented_preset_is_right(text: str) -> None:
    parse(text, "docs")


def test_the_examples_of_the_page_work_together(tmp_path: Path) -> None:
    found = re.findall(r"^```toml\n(.*?)^```", (DOCS / "presets.md").read_text(), re.M | re.S)
    for number, text in enumerate(found):
        (tmp_path / f"{number}.toml").write_text(text)
    made = compile_presets([str(tmp_path)])
    assert not made.problems
    assert not made.warnings
    resolved = made.index.resolve("SHOWX:hair hero")
    assert resolved.values["segment.engine"].source == "studio:hair"
    assert resolved.values["matte.trimap.wide"].value == 40


def test_the_page_names_every_key() -> None:
    text = (DOCS / "presets.md").read_text()
    for key in KEYS:
        table, _, name = key.rpartition(".")
        row = next(line for line in text.splitlines() if f"`{table}`" in line and "|" in line)
        assert f"`{name}`" in row, key
