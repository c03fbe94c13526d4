"""What `airoto.licences` allows, said of checkpoints."""

from __future__ import annotations

from airoto.licences import Licences, remedy
from airoto_server.weights.manifest import Checkpoint


class LicencePolicy(Licences):
    """Which checkpoints may be fetched and used here."""

    def allows(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint may be fetched and used here."""
        licence = checkpoint.licence
        return self.permits(licence.spdx, commercial_use=licence.commercial_use)

    def refusal(self, checkpoint: Checkpoint) -> str:
        """Why a checkpoint that is not allowed is refused."""
        licence = checkpoint.licence
        return (
            f"its licence {licence.spdx} does not allow commercial use, and this installation "
            f"allows none such ({licence.url})"
        )

    def remedy(self, checkpoint: Checkpoint) -> str:
        """What to do if the work is such that the licence allows it."""
        return remedy(checkpoint.licence.spdx)
