"""What the classic tracker uses, each kind of evidence with its weight or switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Which kinds of evidence are used; all of them unless an experiment leaves one out.

    Weights multiply log-odds: 1 is as it should be, 0 leaves it out.

    Attributes:
        prior: the mask of the frame before, carried along by the flow.
        motion: how the object moves against the camera.
        memory: what the background behind the object looked like.
        trees: boosted trees over colour and texture, without position.
        grid: histogram over colour and rough position in the object's box.
        cut: a smooth boundary along edges of the picture.
        update: learning from frames that the tracker itself answered.
        redetect: looking for objects that were lost.
        refine: deciding the boundary again on the plate's own pixels, once all is tracked.
    """

    prior: float = 1.0
    motion: float = 1.0
    memory: float = 1.0
    trees: float = 1.0
    grid: float = 1.0
    cut: float = 1.0
    update: bool = True
    redetect: bool = True
    refine: bool = True
