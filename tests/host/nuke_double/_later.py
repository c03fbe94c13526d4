"""Modules that are imported when they are first needed: a session without pixels is small."""

from __future__ import annotations

import importlib
from typing import Any


class module:
    """A module by name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)
