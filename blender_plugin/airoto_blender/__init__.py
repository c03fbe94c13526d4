"""AIRoto in Blender's compositor: the add-on's `register` and `unregister`."""

from __future__ import annotations


def register() -> None:
    """Called by Blender when the extension is switched on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is switched off."""
    from . import registration

    registration.unregister()
