"""Planes that are 0 outside a window: what is kept of trimaps and alphas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window, place
from airoto_server.ops.nonzero import box_of

Mask = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """A plane that is 0 outside a window.

    Attributes:
        window: in the pixels of the plane; may be empty.
        values: (H, W) float32 over the window.
    """

    window: Window
    values: Mask

    @classmethod
    def of(cls, plane: Mask) -> Part:
        """All of a plane that is not 0."""
        window = box_of(plane != 0)
        frame = Window.sized(plane.shape[1], plane.shape[0])
        return cls(window, plane[window.slices(frame)].copy())

    def shifted(self, dx: int, dy: int) -> Part:
        """The same values elsewhere."""
        return Part(self.window.shifted(dx, dy), self.values)

    def over(self, window: Window) -> Mask:
        """What the plane holds in a window of it, (H, W) float32."""
        return place(self.values, self.window, window)

    def whole(self, shape: tuple[int, int]) -> Mask:
        """The plane again."""
        plane = np.zeros(shape, np.float32)
        plane[self.window.slices(Window.sized(shape[1], shape[0]))] = self.values
        return plane
