"""Every row of docs/models.md is an engine that `airoto info` names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airoto_server.engines.registry import Role, all_specs

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
ROLES = {
    "Segmentation quality": Role.SEGMENTER,
    "Video propagation quality": Role.TRACKER,
    "Matting quality": Role.MATTER,
}


def rows(section: str) -> list[str]:
    """The engines of a section's table: the words in its first column that are set as code."""
    text = PAGE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return [name for cell in first for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(("section", "fewest"), [(name, 3) for name in ROLES])
def test_rows_are_engines(section: str, fewest: int) -> None:
    known = {spec.facts.name for spec in all_specs() if spec.role is ROLES[section]}
    named = rows(section)
    assert len(named) >= fewest
    assert set(named) <= known


# The rows of the models guide's three comparison tables, and what carries each.
GUIDE = [
    ("Segmentation quality", "SAM 2 Large", "sam2-large"),
    ("Segmentation quality", "SAM 2 Tiny", "sam2-tiny"),
    ("Segmentation quality", "Mobile SAM", "mobile-sam"),
    ("Video propagation quality", "Cutie", "cutie-base"),
    ("Video propagation quality", "XMem", "xmem"),
    ("Video propagation quality", "SAM 2 Video", "sam2.1-large"),
    ("Matting quality", "ViTMatte", "vitmatte-small"),
    ("Matting quality", "MODNet", "modnet"),
    ("Matting quality", "Matte Anything", "matte-anything"),
]


@pytest.mark.parametrize(("section", "row", "engine"), GUIDE, ids=[row for _, row, _ in GUIDE])
def test_every_row_of_the_guide_is_an_engine_and_on_the_page(
    section: str, row: str, engine: str
) -> None:
    described = {
        spec.facts.name: spec.facts.description
        for spec in all_specs()
        if spec.role is ROLES[section]
    }
    assert engine in described
    assert row.split()[0].lower().replace("mobile", "mobilesam") in described[engine].lower()
    assert engine in rows(section)


def test_every_size_and_the_detectors_are_there() -> None:
    named = {spec.facts.name for spec in all_specs()}
    assert {
        "sam2-tiny", "sam2-small", "sam2-base-plus", "sam2-large", "cutie-small", "cutie-base",
        "vitmatte-small", "vitmatte-base", "grounding-dino-tiny", "grounding-dino-base",
    } <= named  # fmt: skip
