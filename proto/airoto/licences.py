"""Which licences of weights an installation allows.

`AIROTO_LICENSES` unset: what may be used commercially. A list of SPDX names, separated by
commas: these besides. `any`: everything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

VARIABLE = "AIROTO_LICENSES"
ANY = "any"

_L = TypeVar("_L", bound="Licences")


@dataclass(frozen=True)
class Licences:
    """What is allowed besides licences that allow commercial use.

    Attributes:
        names: SPDX names in lower case.
        anything: whether every licence is allowed.
    """

    names: frozenset[str] = frozenset()
    anything: bool = False

    @classmethod
    def from_environment(cls: type[_L]) -> _L:
        """As `AIROTO_LICENSES` has it."""
        return cls.parse(os.environ.get(VARIABLE, ""))

    @classmethod
    def parse(cls: type[_L], text: str) -> _L:
        """`any`, or SPDX names separated by commas; case does not matter."""
        names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
        return cls(names - {ANY}, ANY in names)

    def permits(self, spdx: str, *, commercial_use: bool) -> bool:
        """Whether weights under this licence may be fetched and used here."""
        return commercial_use or self.anything or spdx.lower() in self.names


def remedy(spdx: str) -> str:
    """What to do if the work is such that the licence allows it."""
    return (
        f"if your work is non-commercial, set {VARIABLE}={spdx} (or {VARIABLE}={ANY}) for the "
        "server"
    )
