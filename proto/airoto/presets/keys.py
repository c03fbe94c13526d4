"""What a preset may set: every key, what it may be, and what is built in.

Keys are the recipe's own field paths (`matte.trimap.mode`), and `paths`, `layers`, `node` and
`farm` for what no recipe holds. Words are written as people say them (`adaptive`, `zips`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Union

Value = Union[str, float, int, bool]

CACHE_TOKENS = ("script_dir", "script", "node", "home", "temp", "user", "show", "sequence", "task")
LAYER_TOKENS = ("object", "show", "sequence", "task")
_TOKEN = re.compile(r"\{([^{}]*)\}")
_ENGINE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LAYER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Key:
    """One key. `default` is what nodes do where no preset says anything."""

    name: str
    default: Value

    def wrong(self, value: object) -> str:
        """What would be allowed, where `value` is not; else empty."""
        raise NotImplementedError

    def written(self, value: Value) -> Value:
        """The one way in which an allowed value is kept."""
        return value


@dataclass(frozen=True)
class Flag(Key):
    """True or false."""

    def wrong(self, value: object) -> str:
        return "" if isinstance(value, bool) else "true or false"


@dataclass(frozen=True)
class Number(Key):
    """A number from `low` to `high`; `whole` ones have no fraction; 0 may stand outside."""

    low: float
    high: float
    whole: bool = False
    or_zero: bool = False

    def wrong(self, value: object) -> str:
        allowed = f"{'a whole number' if self.whole else 'a number'}, " + (
            f"{self.low:.10g} to {self.high:.10g}{', or 0' if self.or_zero else ''}"
        )
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return allowed
        inside = self.low <= value <= self.high or (self.or_zero and value == 0)
        return "" if math.isfinite(value) and inside else allowed

    def written(self, value: Value) -> Value:
        return value if self.whole else float(value) + 0.0


@dataclass(frozen=True)
class Word(Key):
    """One of some words, in any case."""

    words: tuple[str, ...]

    def wrong(self, value: object) -> str:
        known = isinstance(value, str) and value.lower() in self.words
        return "" if known else ", ".join(self.words)

    def written(self, value: Value) -> Value:
        return str(value).lower()


@dataclass(frozen=True)
class Engine(Key):
    """`auto`, an engine's name, and where a step may be left out `none`."""

    or_none: bool = False

    def wrong(self, value: object) -> str:
        if (
            isinstance(value, str)
            and _ENGINE.fullmatch(value)
            and (value != "none" or self.or_none)
        ):
            return ""
        return f"auto, {'none, ' if self.or_none else ''}or an engine's name in lower case"


@dataclass(frozen=True)
class Text(Key):
    """Printable text."""

    def wrong(self, value: object) -> str:
        if isinstance(value, str) and len(value) <= 1024 and (value.isprintable() or not value):
            return ""
        return "printable text of at most 1024 characters"


@dataclass(frozen=True)
class Template(Text):
    """Text with tokens; `shape` is what it has to look like once they are filled."""

    tokens: tuple[str, ...]
    needs: str = ""
    shape: str = ""

    def wrong(self, value: object) -> str:
        known = ", ".join(f"{{{token}}}" for token in self.tokens)
        if super().wrong(value):
            return f"text with the tokens {known}"
        text = str(value)
        left = _TOKEN.sub("", text)
        if any(token not in self.tokens for token in _TOKEN.findall(text)) or set(left) & set("{}"):
            return f"the tokens {known}"
        if self.needs and f"{{{self.needs}}}" not in text:
            return f"a text with {{{self.needs}}} in it"
        if self.shape and not re.fullmatch(self.shape, _TOKEN.sub("x", text)):
            return "letters, digits and _ around the tokens, no digit first"
        return ""


_TRACK = ("both", "forward", "backward")
_ALL: tuple[Key, ...] = (
    Text("plate.colour.space", ""),
    Text("plate.colour.config", ""),
    Number("plate.colour.exposure", 0.0, -20, 20),
    Engine("detect.engine", "auto"),
    Number("detect.box_threshold", 0.35, 0, 1),
    Number("detect.text_threshold", 0.25, 0, 1),
    Engine("segment.engine", "auto"),
    Engine("track.engine", "auto", or_none=True),
    Word("track.memory_mode", "segment", ("segment", "shot")),
    Word("track.direction", "both", _TRACK),
    Engine("matte.engine", "auto", or_none=True),
    Word("matte.trimap.mode", "adaptive", ("adaptive", "fixed")),
    Number("matte.trimap.narrow", 0.0, 0, 512),
    Number("matte.trimap.wide", 0.0, 0, 512),
    Number("matte.grow", 0.0, -256, 256),
    Number("matte.feather", 0.0, 0, 256),
    Number("matte.remove_holes", 0.0, 0, 1e8),
    Number("matte.remove_dots", 0.0, 0, 1e8),
    Number("processing.working_size", 0, 64, 8192, whole=True, or_zero=True),
    Number("processing.seed", 0, 0, 2**31 - 1, whole=True),
    Word("output.compression", "zips", ("zips", "rle", "dwaa", "piz", "none")),
    Flag("output.trimap", True),
    Flag("output.foreground", False),
    Flag("output.confidence", True),
    Template("paths.cache_folder", "{script_dir}/airoto/{script}/{node}", CACHE_TOKENS),
    Flag("paths.relative", True),
    Template(
        "layers.matte", "matte_{object}", LAYER_TOKENS, needs="object", shape=_LAYER.pattern
    ),
    Word("node.on_missing", "error", ("error", "black")),
    Flag("node.always_render", False),
    Text("node.server", ""),
    Number("farm.chunk_frames", 10, 1, 10000, whole=True),
    Number("farm.priority", 50, 0, 100, whole=True),
    Number("farm.retries", 2, 0, 100, whole=True),
    Text("farm.queue", ""),
    Flag("farm.on_blade", False),
    Text("farm.limits", ""),
    Number("farm.memory", 0, 256, 1 << 24, whole=True, or_zero=True),
    Number("farm.gpu_memory", 0, 256, 1 << 24, whole=True, or_zero=True),
)  # fmt: skip

KEYS: dict[str, Key] = {one.name: one for one in _ALL}
SECTIONS = frozenset(name[: name.rindex(".")] for name in KEYS) | frozenset(
    name.partition(".")[0] for name in KEYS
)
# Keys that a recipe has, under the same path.
RECIPE_KEYS = tuple(
    name for name in KEYS if name.partition(".")[0] not in ("paths", "layers", "node", "farm")
)
