"""What a user says once for all files: where AIRoto itself is."""

from __future__ import annotations

import shlex
from typing import Any

from airoto_client.node import links

from . import host
from .host import bpy


def _named(preferences: Any, _context: Any = None) -> None:
    path = str(preferences.command).strip()
    links.use_command(shlex.quote(host.absolute(path)) if path else "")


class AIRotoPreferences(bpy.types.AddonPreferences):
    """Under Preferences > Add-ons > AIRoto."""

    bl_idname = __package__
    __annotations__ = {
        "command": bpy.props.StringProperty(
            name="airoto",
            subtype="FILE_PATH",
            update=_named,
            description="AIRoto's own command, which starts a server on this machine. Empty: "
            "AIROTO_COMMAND, or what is on the PATH",
        )
    }

    def draw(self, _context: Any) -> None:
        """The one path."""
        self.layout.prop(self, "command")


def register() -> None:
    """Make the page known to Blender, and do what it says."""
    bpy.utils.register_class(AIRotoPreferences)
    known = bpy.context.preferences.addons.get(__package__)
    if known is not None and known.preferences is not None:
        _named(known.preferences)


def unregister() -> None:
    """Take it back."""
    bpy.utils.unregister_class(AIRotoPreferences)
    links.use_command("")
