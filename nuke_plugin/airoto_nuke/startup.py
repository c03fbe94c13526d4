"""What happens when Nuke starts: callbacks in every mode, menus where there are windows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

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
    from airoto_nuke import host, preset_menu

    menu = host.nodes_menu().addMenu("AIRoto", icon=str(ICONS / "AIRoto.png"))
    for name, kind, tooltip in _ENTRIES:
        menu.addCommand(
            name,
            f"from airoto_nuke import startup; startup.create({kind!r})",
            icon=str(ICONS / f"{name}.png"),
            tooltip=tooltip,
        )
    menu.addCommand(
        "Render mattes on farm...",
        "from airoto_nuke import startup; startup.render_on_farm()",
        tooltip="A farm job of the selected AIRoto nodes, or of all",
    )
    preset_menu.fill(menu, str(ICONS))
    preset_menu.freshen(menu, str(ICONS))
    host.on_update_ui(_frame_changed)


def render_on_farm() -> None:
    """From the menu."""
    from airoto_nuke import farm_menu

    farm_menu.open_panel()


def create(kind: str) -> None:
    """A new node, from the menu, with the usual preset of the session's show."""
    from airoto.errors import AIRotoError
    from airoto_client.node import preset_known
    from airoto_nuke import host

    try:
        name = preset_known.usual(host.log)
        made = _create(kind, name)
    except AIRotoError as exc:
        host.log(f"AIRoto: no preset: {exc.message}")
        made = _create(kind, "")
    _ask(kind, made)


def create_preset(node: str, name: str) -> Any:
    """A new node (`AIRoto`) with a preset (`SHOWX:hair hero`): from the menu, or a script.

    Raises:
        RuntimeError: there is no such preset; in windows it is told instead.
    """
    from airoto.errors import AIRotoError
    from airoto_client.node import remote
    from airoto_nuke import host
    from airoto_nuke.knobs import NodeKind

    kind = NodeKind(node).name
    try:
        made = _create(kind, name)
    except AIRotoError as exc:
        if not host.is_gui():
            raise RuntimeError(remote.error_text(exc)) from exc
        host.tell(remote.error_text(exc))
        return None
    _ask(kind, made)
    return made


def _create(kind: str, preset: str) -> Any:
    from airoto_client.node import preset_known
    from airoto_nuke import presets, sync
    from airoto_nuke.knobs import NodeKind

    if preset:
        preset_known.resolved(preset)  # before there is a node
    made = sync.create(NodeKind[kind])
    presets.begin(made, preset)
    sync.refresh(made)
    return made


def _ask(kind: str, made: Any) -> None:
    from airoto_nuke.knobs import NodeKind

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
