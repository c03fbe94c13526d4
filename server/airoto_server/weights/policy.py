"""Which licences this installation allows.

`AIROTO_LICENSES` unset: what may be used commercially. A list of SPDX names, separated by
commas: these besides. `any`: everything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from airoto_server.weights.manifest import Checkpoint

VARIABLE = "AIROTO_LICENSES"
ANY = "any"


@dataclass(frozen=True)
class LicencePolicy:
    """What is allowed besides licences that allow commercial use.

    Attributes:
        names: SPDX names in lower case.
        anything: whether every licence is allowed.
    """

    names: frozenset[str] = frozenset()
    anything: bool = False

    @classmethod
    def from_environment(cls) -> LicencePolicy:
        """The policy of `AIROTO_LICENSES`."""
        return cls.parse(os.environ.get(VARIABLE, ""))

    @classmethod
    def parse(cls, text: str) -> LicencePolicy:
        """`any`, or SPDX names separated by commas; case does not matter."""
        names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
        return cls(names - {ANY}, ANY in names)

    def allows(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint may be fetched and used here."""
        licence = checkpoint.licence
        return licence.commercial_use or self.anything or licence.spdx.lower() in self.names

    def refusal(self, checkpoint: Checkpoint) -> str:
        """Why a checkpoint that is not allowed is refused."""
        licence = checkpoint.licence
        return (
            f"its licence {licence.spdx} does not allow commercial use, and this installation "
            f"allows none such ({licence.url})"
        )

    def remedy(self, checkpoint: Checkpoint) -> str:
        """What to do if the work is such that the licence allows it."""
        return (
            f"if your work is non-commercial, set {VARIABLE}={checkpoint.licence.spdx} "
            f"(or {VARIABLE}={ANY}) for the server"
        )
