"""Buttons of presets and of approved frames."""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError
from airoto_client.node import approving, cache_paths, preset_known, staleness, state_ops

from . import editors, host, nodes, plates, presets, recipes
from .host import bpy
from .operators import Operator

Node = Any
_p = bpy.props
_NONE = ("NONE", "No preset", "The values stay as they are")
_items: list[tuple[str, str, str]] = []


def _names(_self: Any, _context: Any) -> list[tuple[str, str, str]]:
    # Blender keeps no reference to the words that it is given.
    try:
        _items[:] = [_NONE, *((one, one, "") for one in preset_known.names())]
    except AIRotoError as exc:
        _items[:] = [("NONE", exc.message, "")]
    return _items


class AIROTO_OT_preset(Operator):
    """Take a preset of the show as it is now, with what it locks"""

    bl_idname = "airoto.preset"
    bl_label = "Take Preset"
    __annotations__ = {
        **Operator.__annotations__,
        "name": _p.StringProperty(
            name="Preset", description="As SHOW:task; empty takes it away and keeps the values"
        ),
    }

    def act(self, context: Any, node: Node) -> None:
        """One step to undo."""
        with nodes.quiet():
            presets.put(node, self.name)
        nodes.refresh(node)
        host.push_undo("preset")


class AIROTO_OT_choose_preset(Operator):
    """Choose one of the presets that this session knows"""

    bl_idname = "airoto.choose_preset"
    bl_label = "Preset..."
    bl_property = "name"
    __annotations__ = {
        **Operator.__annotations__,
        "name": _p.EnumProperty(name="Preset", items=_names),
    }

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """A list to search in."""
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Any, node: Node) -> None:
        """As the operator of scripts."""
        with nodes.quiet():
            presets.put(node, "" if self.name == _NONE[0] else self.name)
        nodes.refresh(node)
        host.push_undo("preset")


class AIROTO_OT_reset_preset(Operator):
    """Everything that the preset says now, or said when it was taken"""

    bl_idname = "airoto.reset_preset"
    bl_label = "Reset to Show"
    __annotations__ = {
        **Operator.__annotations__,
        "pinned": _p.BoolProperty(name="As it was taken"),
    }

    def act(self, context: Any, node: Node) -> None:
        """One step to undo."""
        with nodes.quiet():
            if self.pinned:
                presets.put_pinned(node)
            else:
                presets.put(node, presets.named(node).name)
        nodes.refresh(node)
        host.push_undo("reset to preset")


class AIROTO_OT_lock_frame(Operator):
    """Approve this frame: its file is kept, never made again, and is a keyframe"""

    bl_idname = "airoto.lock_frame"
    bl_label = "Approve Frame"

    def act(self, context: Any, node: Node) -> None:
        """Keep the shown file aside."""
        frame, state = editors.frame_of(context, node), nodes.state_of(node)
        nodes.refresh(node)
        manifest = nodes.shown_manifest(node)
        wanted = recipes.wanted_key(node, plates.plate_of(node), state)
        verdict = staleness.verdict(node.result_key, wanted, manifest, frame)
        approving.check_current(verdict, frame)
        assert manifest is not None
        pattern = cache_paths.result_pattern(nodes.folder_of_shown(node), manifest.key)
        new = approving.approved(
            state,
            frame,
            cache_paths.frame_path(pattern, frame),
            manifest=manifest,
            folder=recipes.folder_of(node),
            place=recipes.place_of(node),
        )
        nodes.edit(node, "approve frame", new)


class AIROTO_OT_unlock_frame(Operator):
    """The frame is tracked again"""

    bl_idname = "airoto.unlock_frame"
    bl_label = "Unlock Frame"

    def act(self, context: Any, node: Node) -> None:
        """Without the approval."""
        state = state_ops.unlock_frame(nodes.state_of(node), editors.frame_of(context, node))
        nodes.edit(node, "unlock frame", state)


register, unregister = bpy.utils.register_classes_factory((
    AIROTO_OT_preset, AIROTO_OT_choose_preset, AIROTO_OT_reset_preset, AIROTO_OT_lock_frame,
    AIROTO_OT_unlock_frame,
))  # fmt: skip
