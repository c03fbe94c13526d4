"""OpenColorIO configs: loading, hashing, and looking up what artists name.

The one place, with `colour` and `colour_bake`, that knows OpenColorIO. The environment
variable OCIO is not read here: what a result depends on comes from the recipe.
"""

from __future__ import annotations

import difflib
import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PyOpenColorIO as ocio

from airoto.errors import ColourError

# The newest ACES studio config that OpenColorIO carries.
DEFAULT_CONFIG = "ocio://studio-config-latest"
_BUILTIN = "ocio://"
# What OpenColorIO raises; in Python neither is a kind of the other.
OCIO_ERRORS = (ocio.Exception, ocio.ExceptionMissingFile)

# Size and time of change of every file a config was made from.
_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, eq=False)
class LoadedConfig:
    """A config ready for use.

    Attributes:
        name: for people: the built-in's own name, or the file's path.
        hash: `sha256:...`, the same in every process and on every machine. Of a built-in, over
            its versioned name; of a file, over its text and the LUT files it refers to.
        config: the PyOpenColorIO config.
        path: the config's file, or empty.
    """

    name: str
    hash: str
    config: Any
    path: str = ""


_lock = threading.Lock()
_loaded: dict[str, tuple[_Stamp, LoadedConfig]] = {}


def load(config: str = "") -> LoadedConfig:
    """A config by path or `ocio://` name; empty means `DEFAULT_CONFIG`.

    Configs are kept, and read again when the config's file or one of its LUTs changed.

    Raises:
        ColourError: there is no such config, or it cannot be parsed.
    """
    key = config or DEFAULT_CONFIG
    with _lock:
        known = _loaded.get(key)
        if known is not None:
            if known[0] == _stamp(name for name, _, _ in known[0]):
                return known[1]
            # OpenColorIO keeps LUT files by name for the life of the process.
            ocio.ClearAllCaches()
        loaded = _load_builtin(key) if key.startswith(_BUILTIN) else _load_file(Path(key))
        _loaded[key] = loaded
        return loaded[1]


def spaces(config: str = "") -> list[str]:
    """Names of the config's active colour spaces, in its order.

    Raises:
        ColourError: as for `load`.
    """
    return [str(name) for name in load(config).config.getColorSpaceNames()]


def default_view_for(config: str = "") -> tuple[str, str]:
    """The config's sRGB display and that display's default view.

    Raises:
        ColourError: as for `load`, or no display has sRGB in its name.
    """
    return resolve_view(load(config), "", "")


def resolve_space(loaded: LoadedConfig, name: str) -> str:
    """The proper name of a colour space, alias or role, whatever its case.

    Raises:
        ColourError: the config has none of that name; the nearest ones are listed.
    """
    space = loaded.config.getColorSpace(name)
    if space is not None:
        return str(space.getName())
    names = [str(known) for known in loaded.config.getColorSpaceNames()]
    aliases = [alias for known in loaded.config.getColorSpaces() for alias in known.getAliases()]
    roles = list(loaded.config.getRoleNames())
    raise ColourError(
        f"colour space {name!r} is not in {loaded.name}; {_suggest(name, names, aliases + roles)}",
        path=loaded.path,
    )


def resolve_view(loaded: LoadedConfig, display: str, view: str) -> tuple[str, str]:
    """Display and view by name; empty ones are the sRGB display and the display's default.

    Raises:
        ColourError: no such display or view (those there are get listed), or no display was
            named and none has sRGB in its name.
    """
    config = loaded.config
    displays = [str(name) for name in config.getDisplays()]
    if display:
        known = list(dict.fromkeys([*displays, *config.getDisplaysAll()]))
        found = _same_name(display, known)
        if found is None:
            raise ColourError(
                f"display {display!r} is not in {loaded.name}; it has {', '.join(known) or 'none'}",
                path=loaded.path,
            )
    else:
        found = next((name for name in displays if "srgb" in _plain(name)), None)
        if found is None:
            raise ColourError(
                f"{loaded.name} has no sRGB display; it has {', '.join(displays) or 'none'}",
                path=loaded.path,
                hint="name the display in plate.colour.display",
            )
    if not view:
        return found, str(config.getDefaultView(found))
    views = [
        *config.getViews(found),
        *config.getViews(ocio.VIEW_SHARED, found),
        *config.getViews(ocio.VIEW_DISPLAY_DEFINED, found),
    ]
    found_view = _same_name(view, views)
    if found_view is None:
        listed = ", ".join(dict.fromkeys(views)) or "none"
        raise ColourError(
            f"display {found!r} of {loaded.name} has no view {view!r}; it has {listed}",
            path=loaded.path,
        )
    return found, found_view


def _load_builtin(key: str) -> tuple[_Stamp, LoadedConfig]:
    try:
        config = ocio.Config.CreateFromFile(key)
    except OCIO_ERRORS as exc:
        carried = ", ".join(_BUILTIN + entry[0] for entry in _builtins())
        raise ColourError(f"OpenColorIO carries no config {key}; it carries {carried}") from exc
    name = _BUILTIN + config.getName()
    # The name is versioned and its content never changes, while the text that
    # OpenColorIO writes for it differs from release to release.
    return (), LoadedConfig(name, "sha256:" + hashlib.sha256(name.encode()).hexdigest(), config)


def _builtins() -> Iterable[Any]:
    found: Iterable[Any] = ocio.BuiltinConfigRegistry().getBuiltinConfigs()
    return found


def _load_file(path: Path) -> tuple[_Stamp, LoadedConfig]:
    try:
        text = path.read_bytes()
        config = ocio.Config.CreateFromFile(str(path))
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise ColourError(
            f"the OCIO config {path} cannot be read: {reason}", path=str(path)
        ) from exc
    except OCIO_ERRORS as exc:
        raise ColourError(f"{path} is not a usable OCIO config: {exc}", path=str(path)) from exc
    digest = hashlib.sha256(text)
    files = [str(path)]
    for source in sorted(set(_file_references(config))):
        resolved = _resolve(config, source)
        digest.update(b"\0" + source.encode() + b"\0")
        if resolved is None:
            # A LUT that nobody uses may be missing; one that is used raises later.
            digest.update(b"missing")
            continue
        files.append(str(resolved))
        with resolved.open("rb") as lut:
            digest.update(hashlib.file_digest(lut, "sha256").digest())
    loaded = LoadedConfig(str(path), "sha256:" + digest.hexdigest(), config, str(path))
    return _stamp(files), loaded


def _stamp(files: Iterable[str]) -> _Stamp:
    stamps = []
    for name in files:
        path = Path(name)
        stat = path.stat() if path.is_file() else None
        stamps.append((name, stat.st_size, stat.st_mtime_ns) if stat else (name, -1, -1))
    return tuple(stamps)


def _resolve(config: Any, source: str) -> Path | None:
    try:
        path = Path(config.getCurrentContext().resolveFileLocation(source))
    except OCIO_ERRORS:
        return None
    return path if path.is_file() else None


def _file_references(config: Any) -> Iterator[str]:
    """Every file that a transform of the config names, as written there."""
    for space in config.getColorSpaces(ocio.SEARCH_REFERENCE_SPACE_ALL, ocio.COLORSPACE_ALL):
        yield from _sources(space.getTransform(ocio.COLORSPACE_DIR_TO_REFERENCE))
        yield from _sources(space.getTransform(ocio.COLORSPACE_DIR_FROM_REFERENCE))
    for view in config.getViewTransforms():
        yield from _sources(view.getTransform(ocio.VIEWTRANSFORM_DIR_TO_REFERENCE))
        yield from _sources(view.getTransform(ocio.VIEWTRANSFORM_DIR_FROM_REFERENCE))
    for look in config.getLooks():
        yield from _sources(look.getTransform())
        yield from _sources(look.getInverseTransform())
    for named in config.getNamedTransforms():
        yield from _sources(named.getTransform(ocio.TRANSFORM_DIR_FORWARD))
        yield from _sources(named.getTransform(ocio.TRANSFORM_DIR_INVERSE))


def _sources(transform: Any) -> Iterator[str]:
    if isinstance(transform, ocio.GroupTransform):
        for part in transform:
            yield from _sources(part)
    elif isinstance(transform, ocio.FileTransform):
        yield str(transform.getSrc())


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _same_name(name: str, known: Iterable[str]) -> str | None:
    exact = [other for other in known if other == name]
    alike = [other for other in known if other.lower() == name.lower()]
    return next(iter(exact + alike), None)


def _suggest(name: str, names: list[str], others: list[str]) -> str:
    """The names that look most like `name`, or all where none does."""
    by_plain = {_plain(known): known for known in [*others, *names]}
    wanted = _plain(name)
    within = [known for plain, known in by_plain.items() if wanted and wanted in plain]
    alike = [by_plain[p] for p in difflib.get_close_matches(wanted, by_plain, n=5, cutoff=0.6)]
    near = list(dict.fromkeys([*within, *alike]))[:5]
    return f"nearest: {', '.join(near)}" if near else f"it has {', '.join(names) or 'none'}"
