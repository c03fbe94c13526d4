"""XMem's working and long-term memory.

Source: as `xmem_network`, sections 3.2 to 3.4. Working memory holds recent frames in full.
When it has `MOST_FRAMES`, all but the last few are condensed: the elements that were read most
become prototypes, whose values are read from all the condensed ones (potentiation), and go to
long-term memory, from which the least read are dropped. The first frame with a mask that was
given and the latest such frames are never condensed.

A memory is a value: every change makes a new one, so that a step that fails changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# The authors' settings.
MOST_FRAMES, KEPT_FRAMES = 10, 5
PROTOTYPES = 128
MOST_LONG_TERM = 10_000
TOP = 30
# Our own: frames with a mask that was given, which are never condensed.
MOST_FIXED = 16


@dataclass(frozen=True)
class Elements:
    """Elements of memory, N of them.

    Attributes:
        key: (C, N).
        shrinkage: (N,) 1 and more: how much an element insists.
        selection: (C, N) 0 to 1, or None in long-term memory.
        used, age: (N,): how much it was read, and for how many frames it has been there.
        values: (C, N) by object; zeros where the object was not there yet.
        valid: (N,) bool by object: where it was.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor | None
    used: Tensor
    age: Tensor
    values: Mapping[int, Tensor]
    valid: Mapping[int, Tensor]

    @property
    def count(self) -> int:
        """How many."""
        return int(self.key.shape[1])

    def at(self, places: Tensor) -> Elements:
        """Those at some places (indices or a mask)."""
        return Elements(
            self.key[:, places],
            self.shrinkage[places],
            None if self.selection is None else self.selection[:, places],
            self.used[places],
            self.age[places],
            {name: value[:, places] for name, value in self.values.items()},
            {name: valid[places] for name, valid in self.valid.items()},
        )

    def and_also(self, other: Elements) -> Elements:
        """Both, these first."""
        names = dict.fromkeys([*self.values, *other.values])
        selections = self.selection, other.selection
        return Elements(
            torch.cat([self.key, other.key], 1),
            torch.cat([self.shrinkage, other.shrinkage]),
            None if None in selections else torch.cat([self.selection, other.selection], 1),
            torch.cat([self.used, other.used]),
            torch.cat([self.age, other.age]),
            {name: torch.cat([self._value(name), other._value(name)], 1) for name in names},
            {name: torch.cat([self._valid(name), other._valid(name)]) for name in names},
        )

    def _value(self, name: int) -> Tensor:
        known = self.values.get(name)
        channels = next(iter(self.values.values())).shape[0] if self.values else 0
        return self.key.new_zeros(channels, self.count) if known is None else known

    def _valid(self, name: int) -> Tensor:
        known = self.valid.get(name)
        missing = torch.zeros(self.count, dtype=torch.bool, device=self.key.device)
        return missing if known is None else known


def new_frame(
    key: Tensor, shrinkage: Tensor, selection: Tensor, values: Mapping[int, Tensor]
) -> Elements:
    """A frame's elements: key and selection (1, C, h, w), shrinkage (1, 1, h, w), values
    (C, h, w) by object."""
    count = key.shape[-2] * key.shape[-1]
    zeros = key.new_zeros(count, dtype=torch.float32)
    there = torch.ones(count, dtype=torch.bool, device=key.device)
    return Elements(
        key[0].flatten(1),
        shrinkage.flatten(),
        selection[0].flatten(1),
        zeros,
        zeros + 1e-7,
        {name: value.flatten(1) for name, value in values.items()},
        dict.fromkeys(values, there),
    )


@dataclass(frozen=True)
class Memory:
    """Working and long-term memory.

    Attributes:
        working: elements of `frames`, one after the other; None before the first.
        frames: for each, whether it is never condensed.
        long_term: None until something was condensed.
    """

    working: Elements | None = None
    frames: tuple[bool, ...] = ()
    long_term: Elements | None = None
    most_frames: int = MOST_FRAMES
    kept_frames: int = KEPT_FRAMES
    prototypes: int = PROTOTYPES
    most_long_term: int = MOST_LONG_TERM
    top: int = TOP
    most_fixed: int = MOST_FIXED

    def read(
        self, key: Tensor, selection: Tensor, name_first: int
    ) -> tuple[Memory, dict[int, Tensor]]:
        """What memory says of a frame: a value (1, C, h, w) by object.

        Args:
            key, selection: (1, C, h, w) of the frame.
            name_first: the object whose reading counts as use.

        Returns:
            the memory with what was read counted, and the values.
        """
        assert self.working is not None
        known = self.working
        if self.long_term is not None:
            known = replace(self.long_term, selection=None).and_also(known)
        likeness = similarity(
            known.key, known.shrinkage, key[0].flatten(1), selection[0].flatten(1)
        )
        weights: dict[bytes, Tensor] = {}
        values: dict[int, Tensor] = {}
        read: Tensor | None = None
        for name, value in known.values.items():
            valid = known.valid[name]
            # Objects that came together share their weights.
            same = valid.cpu().numpy().tobytes()
            if same not in weights:
                weights[same] = best(likeness, valid, self.top)
            values[name] = (value @ weights[same]).view(1, -1, *key.shape[-2:])
            if name == name_first:
                read = weights[same].sum(1)
        assert read is not None
        return self._with_use(read), values

    def with_frame(self, frame: Elements, *, fixed: bool) -> Memory:
        """With one more frame; condensed if there are too many."""
        working = frame if self.working is None else self.working.and_also(frame)
        made = replace(self, working=working, frames=(*self.frames, fixed))
        if made.frames.count(True) > self.most_fixed:
            # The first stays, and the latest; the second oldest becomes one like others.
            second = made.frames.index(True, made.frames.index(True) + 1)
            freed = (*made.frames[:second], False, *made.frames[second + 1 :])
            made = replace(made, frames=freed)
        loose = made.frames.count(False)
        # The first frame counts towards the limit; other fixed ones come on top.
        return made._condensed() if loose + 1 >= self.most_frames else made

    def _with_use(self, read: Tensor) -> Memory:
        assert self.working is not None
        long_term = self.long_term
        split = 0 if long_term is None else long_term.count
        if long_term is not None:
            long_term = replace(
                long_term, used=long_term.used + read[:split], age=long_term.age + 1
            )
        working = replace(
            self.working, used=self.working.used + read[split:], age=self.working.age + 1
        )
        return replace(self, working=working, long_term=long_term)

    def _condensed(self) -> Memory:
        assert self.working is not None
        working = self.working
        each = working.count // len(self.frames)
        loose = [place for place, fixed in enumerate(self.frames) if not fixed]
        gone = loose[: len(loose) - (self.kept_frames - 1)]
        place_of = torch.arange(working.count, device=working.key.device) // each
        going = torch.isin(place_of, torch.tensor(gone, device=place_of.device))
        long_term = self.long_term
        limit = self.most_long_term - self.prototypes
        if long_term is not None and long_term.count >= limit:
            long_term = most_used(long_term, limit)
        new = condense(working.at(going), self.prototypes)
        return replace(
            self,
            working=working.at(~going),
            frames=tuple(fixed for place, fixed in enumerate(self.frames) if place not in gone),
            long_term=new if long_term is None else long_term.and_also(new),
        )


def similarity(key: Tensor, shrinkage: Tensor, query: Tensor, selection: Tensor) -> Tensor:
    """Anisotropic L2 of memory elements (C, N) and query elements (C, M): (N, M), 0 or less."""
    squares = key.pow(2).T @ selection
    products = key.T @ (query * selection)
    own = (selection * query.pow(2)).sum(0)
    return (2 * products - squares - own) * shrinkage[:, None] / math.sqrt(key.shape[0])


def best(likeness: Tensor, valid: Tensor, top: int) -> Tensor:
    """Softmax over the `top` valid elements that are most alike: (N, M), columns sum to 1."""
    masked = likeness if valid.all() else likeness.masked_fill(~valid[:, None], -math.inf)
    values, places = torch.topk(masked, min(top, masked.shape[0]), dim=0)
    return torch.zeros_like(likeness).scatter_(0, places, torch.softmax(values, 0))


def condense(elements: Elements, count: int) -> Elements:
    """The most used elements as prototypes, with values read from all (potentiation)."""
    _, places = torch.topk(elements.used / elements.age, min(count, elements.count))
    chosen = elements.at(places)
    assert elements.selection is not None
    assert chosen.selection is not None
    likeness = similarity(elements.key, elements.shrinkage, chosen.key, chosen.selection)
    values: dict[int, Tensor] = {}
    shrinkage: Tensor | None = None
    for name, value in elements.values.items():
        valid = elements.valid[name]
        weights = best(likeness, valid, elements.count)
        # A prototype from before an object has nothing to say of it.
        values[name] = torch.where(chosen.valid[name], (value @ weights.nan_to_num()), 0)
        if shrinkage is None:
            shrinkage = elements.shrinkage @ weights.nan_to_num()
    zeros = torch.zeros_like(chosen.used)
    assert shrinkage is not None
    return Elements(chosen.key, shrinkage, None, zeros, zeros + 1e-7, values, chosen.valid)


def most_used(elements: Elements, count: int) -> Elements:
    """The elements that were read most for their age, in their order, at most `count`."""
    use = elements.used / elements.age
    dropped, _ = torch.topk(use, elements.count - count, largest=False)
    return elements if not len(dropped) else elements.at(use > dropped[-1])
