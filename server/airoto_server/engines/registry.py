"""The list of engines: what there is, without loading any of it.

Each engine module exports `SPECS`, and importing the module is cheap: heavy packages are
imported by `load` alone.
"""

from __future__ import annotations

import enum
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airoto.errors import EngineUnavailableError
from airoto_server.engines.roles import Engine, EngineFacts, Mask, Picture

if TYPE_CHECKING:  # imports a compiler
    from airoto_server.engines.edge_model import EdgeModel

Edges = Callable[[Picture, Mask], "EdgeModel | None"]

# Modules that export SPECS, in the order in which `airoto info` lists them.
MODULES: tuple[str, ...] = (
    "airoto_server.engines.null",
    "airoto_server.engines.classic_segmenter",
    "airoto_server.engines.classic_tracker",
    "airoto_server.engines.classic_tracker_full",
    "airoto_server.engines.classic_matter",
    "airoto_server.engines.sam2_image",
    "airoto_server.engines.mobile_sam",
    "airoto_server.engines.sam2_video",
    "airoto_server.engines.cutie",
    "airoto_server.engines.xmem",
    "airoto_server.engines.vitmatte",
    "airoto_server.engines.modnet",
    "airoto_server.engines.matte_anything",
    "airoto_server.engines.grounding_dino",
)
# Further modules, separated by commas, that this installation adds.
VARIABLE = "AIROTO_ENGINES"


class Role(enum.Enum):
    """What an engine can be; the value is the word used in messages."""

    DETECTOR = "detector"
    SEGMENTER = "segmenter"
    TRACKER = "tracker"
    MATTER = "matter"


@dataclass(frozen=True)
class LoadOptions:
    """How to load an engine.

    Attributes:
        device: `cpu`, `cuda:0`, `mps`.
        precision: `float32`, `bfloat16` or `float16`.
        checkpoint: file or folder of the weights; None for engines without.
        threads: of a network's own on the CPU; 0 leaves them as they are.
    """

    device: str = "cpu"
    precision: str = "float32"
    checkpoint: Path | None = None
    threads: int = 0


@dataclass(frozen=True)
class EngineSpec:
    """An engine that could be loaded.

    Attributes:
        rank: among the available ones of a role, `auto` takes the highest; below zero
            never (an engine that must be asked for by name).
        checkpoint: name in `weights/manifest.toml`, or empty.
        parts: for a system composed of other engines, their roles; it is never loaded itself.
        edges: of a tracker whose masks can be decided again on the plate's own pixels: what
            decides them, of the picture it tracked and a mask of it. Needs nothing loaded.
    """

    role: Role
    facts: EngineFacts
    load: Callable[[LoadOptions], Engine]
    rank: int = 0
    checkpoint: str = ""
    parts: tuple[Role, ...] = ()
    edges: Edges | None = None


def all_specs() -> tuple[EngineSpec, ...]:
    """Every engine there is, this version's and those that `AIROTO_ENGINES` adds.

    Raises:
        EngineUnavailableError: a module that it names cannot be imported, or has no SPECS.
    """
    specs: list[EngineSpec] = []
    for module in MODULES:
        specs.extend(importlib.import_module(module).SPECS)
    for module in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        try:
            specs.extend(importlib.import_module(module).SPECS)
        except (ImportError, AttributeError) as exc:
            raise EngineUnavailableError(
                f"the engines of {module!r}, which {VARIABLE} names, cannot be had: {exc}",
                hint=f"correct {VARIABLE}, or put the module on the server's PYTHONPATH",
            ) from exc
    return tuple(specs)


def find(role: Role, name: str) -> EngineSpec:
    """The engine of that role and name.

    Raises:
        EngineUnavailableError: there is none; the message lists those there are.
    """
    candidates = [spec for spec in all_specs() if spec.role is role]
    for spec in candidates:
        if spec.facts.name == name:
            return spec
    known = ", ".join(sorted(spec.facts.name for spec in candidates)) or "none"
    raise EngineUnavailableError(f"there is no {role.value} engine {name!r}; known: {known}")
