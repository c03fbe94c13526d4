"""Where a node keeps its files: tokens, one folder a node and script, one a result.

Standard library only, no Nuke. The folder of a node is made from its own id, which is drawn when
the node is made and drawn again when it is copied, and from its script's name; so copies and
same-named nodes of two scripts never share a folder by accident. Inside it every result
has a folder named by its key, so that nothing finished is ever written over.
"""

# ruff: noqa: PTH111, PTH117, PTH119, PTH120, PTH122 - paths are text here, as knobs have them

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from airoto.errors import BadRequestError

DEFAULT = "{script_dir}/airoto/{script}/{node}"
TOKENS = ("script_dir", "script", "node", "home", "temp", "user", "show", "sequence", "task")
_TOKEN = re.compile(r"\{([a-z_]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_PADDING = "%04d"
# The script's folder in a file knob, wherever the script lies and whatever Nuke's current folder
# is; plain Nuke evaluates it.
_SCRIPT_FOLDER = "[file dirname [value root.name]]"


def user_folders() -> dict[str, str]:
    """Values of the tokens that do not depend on the script."""
    import getpass  # here, because starting a host has to stay quick
    import tempfile

    return {
        "home": os.path.expanduser("~").replace("\\", "/"),
        "temp": tempfile.gettempdir().replace("\\", "/"),
        "user": getpass.getuser(),
    }


def new_node_id() -> str:
    """An id for a new node: 8 hex digits."""
    return secrets.token_hex(4)


@dataclass(frozen=True)
class NodePlace:
    """What a node's folder depends on.

    Attributes:
        script: path of the saved script, or empty.
        node: full name of the node (`Group1.AIRoto1`).
        node_id: from `new_node_id`.
        show, sequence, task: of the node's preset; `_` stands for one that it does not name.
        relative: write paths under the script's folder relative to it.
    """

    script: str
    node: str
    node_id: str
    home: str
    temp: str
    user: str = "artist"
    relative: bool = True
    show: str = ""
    sequence: str = ""
    task: str = ""

    def folder(self, template: str) -> str:
        """The node's folder, absolute, with forward slashes.

        Args:
            template: the artist's, with tokens; empty is `DEFAULT`.

        Raises:
            BadRequestError: an unknown token, or one that needs a saved script.
        """
        template = template.strip() or DEFAULT
        values = self._values()

        def filled(match: re.Match[str]) -> str:
            name = match[1]
            if name not in values:
                known = ", ".join(f"{{{token}}}" for token in TOKENS)
                raise BadRequestError(f"the cache folder has a token {match[0]}; known: {known}")
            if not values[name]:
                raise BadRequestError(
                    f"the cache folder uses {match[0]}, and the script was never saved",
                    hint="save the script, or set a cache folder without that token",
                )
            return values[name]

        folder = _TOKEN.sub(filled, template).replace("\\", "/")
        if not os.path.isabs(folder):
            if not self.script:
                raise BadRequestError(
                    f"the cache folder {folder} is relative, and the script was never saved",
                    hint="save the script first",
                )
            folder = f"{values['script_dir']}/{folder}"
        # A template that leaves node or script out would let several share one folder.
        if self.node_id not in folder:
            folder = f"{folder.rstrip('/')}/{values['node']}"
        below = folder.startswith(f"{values['script_dir']}/")
        if self.script and not (below and "{script}" in template):
            mark = hashlib.sha256(self.script.encode()).hexdigest()[:6]
            folder += f"/{values['script']}" if below else f"/{values['script']}_{mark}"
        return os.path.normpath(folder).replace("\\", "/")

    def shown(self, path: str) -> str:
        """How a path is written into the script: relative to it, where it lies below it."""
        base = os.path.dirname(self.script).replace("\\", "/")
        if self.relative and base and path.startswith(f"{base}/"):
            return f"{_SCRIPT_FOLDER}{path[len(base) :]}"
        return path

    def found(self, path: str) -> str:
        """The absolute path behind what `shown` gave."""
        return path.replace(_SCRIPT_FOLDER, os.path.dirname(self.script).replace("\\", "/"))

    def _values(self) -> Mapping[str, str]:
        name, _ = os.path.splitext(os.path.basename(self.script))
        return {
            "script_dir": os.path.dirname(self.script).replace("\\", "/"),
            "script": _safe(name),
            "node": f"{_safe(self.node)}_{self.node_id}",
            "home": self.home,
            "temp": self.temp,
            "user": _safe(self.user),
            "show": _safe(self.show),
            "sequence": _safe(self.sequence),
            "task": _safe(self.task),
        }


def result_pattern(folder: str, key: str) -> str:
    """The files of one result."""
    return f"{folder}/mattes/{key}/matte.{_PADDING}.exr"


def manifest_path(folder: str, key: str) -> str:
    """What is known of one result."""
    return f"{folder}/mattes/{key}/result.json"


def plate_pattern(folder: str, identity: str) -> str:
    """The files of a plate that the node renders for itself."""
    return f"{folder}/plate/{identity}/plate.{_PADDING}.exr"


def mask_pattern(folder: str, identity: str) -> str:
    """The files of a mask input that the node renders for itself."""
    return f"{folder}/mask/{identity}/mask.{_PADDING}.exr"


def candidate_path(folder: str, key: str, frame: int, object_id: int, number: int) -> str:
    """One candidate mask of a segmented frame."""
    return f"{folder}/candidates/{key}/mask.{frame}.{object_id}.{number}.exr"


def locked_path(folder: str, key: str, frame: int) -> str:
    """An approved frame, kept aside."""
    return f"{folder}/locked/{key}/matte.{frame:04d}.exr"


def frame_path(pattern: str, frame: int) -> str:
    """One file of a pattern of ours."""
    return pattern.replace(_PADDING, f"{frame:04d}")


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name).strip("_") or "_"
