"""What every tracker's pass checks of what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from airoto.errors import EngineError
from airoto_server.engines.roles import Mask, Picture


class TrackInputs:
    """The inputs of one pass: announced objects, one picture size, one direction.

    Attributes:
        object_ids: the announced objects, in their order.
        sign: 1 for a forward pass, -1 for a backward one, 0 before the second frame.
        last: the last frame stepped to, None before the first.
    """

    def __init__(self, object_ids: Sequence[int]) -> None:
        self.object_ids = tuple(object_ids)
        self.sign = 0
        self.last: int | None = None
        self._size: tuple[int, int] | None = None

    def check(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Accept a keyframe.

        Raises:
            EngineError: an object that was not announced, or a size that does not fit.
        """
        size = (picture.shape[0], picture.shape[1])
        if self._size is not None and self._size != size:
            raise EngineError(
                f"the picture is {_size(size)}, those before it were {_size(self._size)}",
                frame=frame,
            )
        for each, mask in masks.items():
            if each not in self.object_ids:
                known = ", ".join(map(str, self.object_ids)) or "none"
                raise EngineError(
                    f"object {each} was not announced for this pass; announced: {known}",
                    frame=frame,
                )
            if mask.shape != size:
                raise EngineError(
                    f"the mask of object {each} has shape {mask.shape}, its picture {size}",
                    frame=frame,
                )
        self._size = size

    def step(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Accept the next frame.

        Raises:
            EngineError: as `check`, or a frame against the direction of the pass.
        """
        sign = 0 if self.last is None else (frame > self.last) - (frame < self.last)
        if self.last is not None and (sign == 0 or sign * self.sign < 0):
            raise EngineError(
                f"a pass goes one way, but frame {frame} follows frame {self.last}", frame=frame
            )
        self.check(frame, picture, masks)
        self.sign = sign or self.sign
        self.last = frame

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Around a step: one that fails was never made, so that it can be made again."""
        before = self.sign, self.last, self._size
        try:
            yield
        except BaseException:
            self.sign, self.last, self._size = before
            raise


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"
