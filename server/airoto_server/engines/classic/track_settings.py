"""What the classic tracker uses, each kind of evidence with its switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Which kinds of evidence are used; all of them unless an experiment leaves one out.

    Attributes:
        prior: the mask of the frame before, carried along by the flow.
        motion: how the object moves against the camera.
        memory: what the background behind the object looked like.
        trees: boosted trees over colour and texture, without position.
        grid: histogram over colour and rough position in the object's box.
        cut: a smooth boundary along edges of the picture.
        update: learning from frames that the tracker itself answered.
        redetect: looking for objects that were lost.
    """

    prior: bool = True
    motion: bool = True
    memory: bool = True
    trees: bool = True
    grid: bool = True
    cut: bool = True
    update: bool = True
    redetect: bool = True
