"""The node "AI Roto" of the compositor."""

from __future__ import annotations

import functools
from typing import Any

from airoto_client.node import cache_paths

from . import host, nodes
from .host import bpy
from .properties import ALL


class AIRotoNode(bpy.types.CompositorNodeCustomGroup):
    """Mattes of objects that were prompted on a plate."""

    bl_idname = nodes.IDNAME
    bl_name = "AI Roto"
    bl_label = "AI Roto"
    bl_icon = "MOD_MASK"
    __annotations__ = ALL

    def init(self, _context: Any) -> None:
        """A new node: an id, and something inside."""
        self.node_id = cache_paths.new_node_id()
        self.width = 220
        nodes.refresh(self)

    def copy(self, _node: Any) -> None:
        """A copy works in a folder of its own. What is inside is copied by the next refresh: here
        Blender is copying a data-block, and others must not be made meanwhile."""
        self.node_id = cache_paths.new_node_id()
        self._refresh_soon()

    def update(self) -> None:
        """A wire came or went, or a file is being opened: Blender is at work on the tree."""
        if not nodes.is_quiet() and self.node_tree is not None:
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        """When Blender is done; in the background a render begins with a refresh."""
        if not host.is_background():
            host.later(functools.partial(nodes.refresh_by_id, self.node_id), 0.0)

    def draw_buttons(self, _context: Any, layout: Any) -> None:
        """What an artist needs at hand; everything else is in the sidebar."""
        layout.template_ID(self, "plate", open="image.open")
        layout.prop(self, "view", text="")
        layout.label(text=self.progress or self.status)
        if self.warning:
            layout.label(text=self.warning, icon="ERROR")

    def draw_label(self) -> str:
        """The title."""
        return "AI Roto"


register, unregister = bpy.utils.register_classes_factory((AIRotoNode,))
