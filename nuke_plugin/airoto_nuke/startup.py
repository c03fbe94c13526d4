"""What happens when Nuke starts: callbacks in every mode, menus where there are windows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_SHARED = Path(__file__).resolve().parents[2] / "proto"
ICONS = Path(__file__).resolve().parents[1] / "icons"
_ENTRIES = (
    ("AIRoto", "ROTO", "Prompts on a few frames become tracked mattes"),
    ("AIMatte", "MATTE", "A plate and a rough mask become a fine matte"),
    ("AITrimap", "TRIMAP", "A mask becomes a trimap"),
    ("AIDetect", "DETECT", "Objects by text"),
)


def every_mode() -> None:
    """Renders are guarded in every mode. The guard itself is imported when the first one begins.

    Raises:
        ImportError: what the plug-in needs is not installed beside it; the words say what to do.
    """
    find_shared_code()
    from airoto_nuke import host

    host.on_before_render(_before_render)
    host.on_before_frame(_before_frame)
    host.on_after_render(_after_render)


def find_shared_code() -> None:
    """Let `airoto` be imported: from Python's path, else from `proto` beside the plug-in.

    Raises:
        ImportError: it is in neither.
    """
    try:
        if importlib.util.find_spec("airoto.errors") is not None:
            return
    except ImportError:
        pass
    if not (_SHARED / "airoto" / "errors.py").is_file():
        raise ImportError(
            f"its folder `proto` is neither on NUKE_PATH nor at {_SHARED}; put it on NUKE_PATH"
        )
    sys.path.append(str(_SHARED))


def windows() -> None:
    """The menu Nodes -> AIRoto, which Tab search finds too."""
    from airoto_nuke import host

    menu = host.nodes_menu().addMenu("AIRoto", icon=str(ICONS / "AIRoto.png"))
    for name, kind, tooltip in _ENTRIES:
        menu.addCommand(
            name,
            f"from airoto_nuke import startup; startup.create({kind!r})",
            icon=str(ICONS / f"{name}.png"),
            tooltip=tooltip,
        )
    host.on_update_ui(_frame_changed)


def create(kind: str) -> None:
    """A new node, from the menu."""
    from airoto_nuke import nodes
    from airoto_nuke.knobs import NodeKind

    made = nodes.create(NodeKind[kind])
    if NodeKind[kind] is NodeKind.DETECT:  # what it can depends on the server
        from airoto_nuke import buttons

        buttons.ask_quietly(made)


def _before_render() -> None:
    from airoto_nuke import gate

    gate.before_render()


def _before_frame() -> None:
    from airoto_nuke import gate

    gate.before_frame()


def _after_render() -> None:
    from airoto_nuke import gate

    gate.after_render()


def _frame_changed() -> None:
    from airoto_nuke import entry

    entry.frame_changed()
