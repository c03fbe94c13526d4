"""Closed-form matting on the CPU; no weights."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from airoto.errors import EngineError
from airoto_server.engines.classic.checks import check_picture, check_plane
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts, MatteResult, Picture, Trimap
from airoto_server.ops.parallel import limit_libraries

# Closed-form matting looks at 3 x 3 pixels at a time; smaller pictures are padded.
_SMALLEST_SIDE = 3

_FACTS = EngineFacts(
    name="classic",
    version="3",
    description="closed-form matting (PyMatting) on the CPU; no weights",
    licence="MIT",
    linear_light=True,
    concurrent=True,
)


class ClosedFormMatter:
    """The matter role: alpha from a trimap by closed-form matting. Keeps no state."""

    facts: ClassVar[EngineFacts] = _FACTS
    needs_trimap: ClassVar[bool] = True
    max_window: ClassVar[int] = 768
    overlap: ClassVar[int] = 48

    def device(self) -> str:
        """Always `cpu`."""
        return "cpu"

    def precision(self) -> str:
        """Always `float64`: the system is too ill-conditioned for less."""
        return "float64"

    def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
        """Alpha of one window; exactly 0 and 1 where the trimap is.

        Raises:
            EngineError: no trimap, a trimap without a known pixel, an input that is no
                picture or trimap, or a system that could not be solved.
        """
        # Imported here because PyMatting compiles itself when first imported.
        from airoto_server.engines.classic.closed_form import solve_alpha

        check_picture(picture)
        if trimap is None:
            raise EngineError("closed-form matting needs a trimap")
        check_plane("trimap", trimap, picture.shape[:2])
        height, width = trimap.shape
        bottom, right = max(0, _SMALLEST_SIDE - height), max(0, _SMALLEST_SIDE - width)
        if bottom or right:
            picture = np.pad(picture, ((0, bottom), (0, right), (0, 0)), mode="edge")
            trimap = np.pad(trimap, ((0, bottom), (0, right)), mode="edge")
        return MatteResult(solve_alpha(picture, trimap)[:height, :width])


def _load(options: LoadOptions) -> ClosedFormMatter:
    limit_libraries()
    import airoto_server.engines.classic.closed_form  # noqa: F401  (compiles what is not yet)

    return ClosedFormMatter()


SPECS = (EngineSpec(Role.MATTER, _FACTS, _load, rank=0),)
