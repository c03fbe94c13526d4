"""One pass of XMem, in bounded memory.

Source: as `xmem_network`. Every fifth frame goes to working memory (`xmem_memory`); sensory
memory is updated by the decoder on every frame between, and by the value encoder on those that
are remembered. Beyond the paper, a keyframe may name some of the objects (the others' masks are
predicted first) and may lie elsewhere in the shot; it is never condensed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from airoto_server.engines.classic.checks import check_picture
from airoto_server.engines.roles import Mask, Picture, Tracked
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Placement,
    forward_pass,
    mask_tensor,
    normalise,
    picture_tensor,
    resize,
    tensor_bytes,
    to_mask,
)
from airoto_server.engines.track_inputs import TrackInputs
from airoto_server.engines.xmem_memory import Memory, new_frame
from airoto_server.engines.xmem_network import logits_of, shares

if TYPE_CHECKING:
    import torch

# A frame in so many is remembered.
_REMEMBER_EVERY = 5
# Limits of the short side in pixels: that of the paper, and what leaves enough elements.
SHORT_SIDE = (128, 480)
_STRIDE = 16


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a picture of `size` is worked on, with its aspect."""
    short = min(size)
    scale = min(max(short, SHORT_SIDE[0]), SHORT_SIDE[1]) / short
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


@dataclass(frozen=True)
class _State:
    """What a pass knows; a step makes a new one.

    Attributes:
        objects: those begun, in order.
        hidden: sensory memory (objects, C, h, w), or None before the first object.
        since: frames since one was remembered.
        shown: objects that any mask given had a pixel of; the others have never been seen, and
            their masks stay empty.
    """

    objects: tuple[int, ...] = ()
    memory: Memory = field(default_factory=Memory)
    hidden: torch.Tensor | None = None
    since: int = 0
    shown: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Seen:
    """A picture as the network sees it: padded pixels, features, key, shrinkage, selection."""

    pixels: torch.Tensor
    features: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    key: torch.Tensor
    shrinkage: torch.Tensor
    selection: torch.Tensor
    size: tuple[int, int]
    padding: tuple[int, int, int, int]


class XMemPass:
    """A `TrackRun` over XMem."""

    def __init__(
        self, engine: TorchEngine, place: Placement, object_ids: Sequence[int], memory: Memory
    ) -> None:
        self._engine = engine
        self._place = place
        self._inputs = TrackInputs(object_ids)
        self._state = _State(memory=memory)

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learn a keyframe that is elsewhere in the shot; it is remembered to the end."""
        with self._inputs.undone_on_error():
            check_picture(picture)
            self._inputs.check(frame, picture, masks)
            if not masks:
                return
            with forward_pass(self._place):
                seen = self._see(picture)
                order = [each for each in self._inputs.object_ids if each in masks]
                planes = shares(logits_of(self._stacked(seen, masks, order)))[1:]
                hidden = self._blank(seen, len(order))
                values, _ = self._encode(seen, planes, hidden)
                state = _shown(self._with_objects(self._state, order, seen), masks)
                self._state = self._remembering(state, seen, order, values, fixed=True)

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """The next frame; see `TrackRun`.

        Raises:
            EngineError: an object that was not announced, a mask or picture of another
                size, or a frame against the pass's direction.
        """
        given = dict(masks or {})
        with self._inputs.undone_on_error():
            check_picture(picture)
            self._inputs.step(frame, picture, given)
            if not given and not self._state.objects:
                return {}
            with forward_pass(self._place):
                state, planes = self._advance(self._see(picture), given)
                planes = resize(planes[None], picture.shape[:2])[0]
                made = [to_mask(plane) for plane in planes]
        self._state = state
        made = [
            plane if each in state.shown else np.zeros_like(plane)
            for each, plane in zip(state.objects, made, strict=True)
        ]
        if given:
            # The masks given are the answer; the others share what they leave.
            left = 1 - np.clip(np.sum(list(given.values()), axis=0), 0, 1).astype(np.float32)
            made = [plane * left for plane in made]
        return {
            each: Tracked(np.array(given[each], np.float32), 1.0)
            if each in given
            else Tracked(made[place], _confidence(made[place]))
            for place, each in enumerate(state.objects)
        }

    def memory_bytes(self) -> int:
        """Memory of all that is remembered, in bytes."""
        return tensor_bytes([self._state])

    def resume(self, engine: TorchEngine) -> None:
        """Go on with another instance of the same engine; the first was unloaded."""
        self._engine = engine

    def to_device(self, device: str) -> None:
        """Move what is remembered, to host memory (`cpu`) and back before the next frame."""
        self._state = _moved(self._state, device)

    def close(self) -> None:
        """Forget everything."""
        self._state = _State()

    def _advance(self, seen: _Seen, given: Mapping[int, Mask]) -> tuple[_State, torch.Tensor]:
        """The state after a frame, and its masks (objects, h, w) in the order of objects."""
        state = self._state
        remember = bool(given) or state.since + 1 >= _REMEMBER_EVERY
        predicted = None
        if not all(each in given for each in state.objects):
            state, predicted = self._predict(state, seen, update=not remember)
        if given:
            state = _shown(self._with_objects(state, list(given), seen), given)
            known = self._stacked(seen, given, state.objects)
            if predicted is not None:
                free = 1 - self._stacked(seen, given, list(given)).sum(0).gt(0.5).float()
                for place in range(len(predicted)):
                    if state.objects[place] not in given:
                        known[place] = predicted[place] * free
            predicted = shares(logits_of(known))[1:]
        assert predicted is not None
        if remember:
            assert state.hidden is not None
            values, hidden = self._encode(seen, predicted, state.hidden)
            state = replace(state, hidden=hidden)
            state = self._remembering(state, seen, state.objects, values, fixed=bool(given))
        else:
            state = replace(state, since=state.since + 1)
        return state, _unpadded(predicted, seen)

    def _predict(self, state: _State, seen: _Seen, *, update: bool) -> tuple[_State, torch.Tensor]:
        """Masks of the objects begun; sensory memory only changes with `update`."""
        import torch

        assert state.hidden is not None
        memory, read = state.memory.read(seen.key, seen.selection, state.objects[0])
        values = torch.cat([read[each] for each in state.objects])
        logits, hidden = self._engine.model.decoder(seen.features, values, state.hidden)
        planes = shares(logits[:, 0].float())[1:]
        return replace(state, memory=memory, hidden=hidden if update else state.hidden), planes

    def _encode(
        self, seen: _Seen, planes: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Values (objects, C, h, w) of masks, and the sensory memory they leave."""
        values, after = self._engine.model.value_encoder(
            seen.pixels, seen.features[0], planes[:, None], hidden
        )
        return values, after

    def _remembering(
        self,
        state: _State,
        seen: _Seen,
        objects: Sequence[int],
        values: torch.Tensor,
        *,
        fixed: bool,
    ) -> _State:
        named = dict(zip(objects, values, strict=True))
        frame = new_frame(seen.key, seen.shrinkage, seen.selection, named)
        return replace(state, memory=state.memory.with_frame(frame, fixed=fixed), since=0)

    def _with_objects(self, state: _State, objects: Sequence[int], seen: _Seen) -> _State:
        """With objects that begin now, in the order they were announced."""
        import torch

        new = [
            each
            for each in self._inputs.object_ids
            if each in objects and each not in state.objects
        ]
        if not new:
            return state
        blank = self._blank(seen, len(new))
        hidden = blank if state.hidden is None else torch.cat([state.hidden, blank])
        return replace(state, objects=(*state.objects, *new), hidden=hidden)

    def _blank(self, seen: _Seen, count: int) -> torch.Tensor:
        """Sensory memory of objects that have just begun."""
        channels = self._engine.model.value_encoder.hidden_reinforce.transform.out_channels // 3
        return seen.key.new_zeros(count, channels, *seen.key.shape[-2:])

    def _see(self, picture: Picture) -> _Seen:
        import torch

        model = self._engine.model
        size = working_size((picture.shape[0], picture.shape[1]))
        pixels = resize(picture_tensor(picture, self._place), size)
        pixels = normalise(pixels, IMAGENET_MEAN, IMAGENET_STD)
        down, across = (-side % _STRIDE for side in size)
        padding = (across // 2, across - across // 2, down // 2, down - down // 2)
        pixels = torch.nn.functional.pad(pixels, padding)
        features = model.key_encoder(pixels)
        key, shrinkage, selection = model.key_proj(features[0])
        return _Seen(pixels, features, key, shrinkage, selection, size, padding)

    def _stacked(
        self, seen: _Seen, masks: Mapping[int, Mask], order: Sequence[int]
    ) -> torch.Tensor:
        """Masks (objects, h, w), padded; zeros for those not given."""
        import torch

        planes = []
        for each in order:
            mask = masks.get(each)
            if mask is None:
                planes.append(seen.pixels.new_zeros(seen.size))
            else:
                plane = mask_tensor(mask, (mask.shape[0], mask.shape[1]), self._place)
                planes.append(resize(plane, seen.size)[0, 0].clamp(0, 1))
        return torch.nn.functional.pad(torch.stack(planes), seen.padding)


def _shown(state: _State, masks: Mapping[int, Mask]) -> _State:
    there = {each for each, mask in masks.items() if (mask > 0.5).any()}
    return replace(state, shown=state.shown | there)


def _unpadded(planes: torch.Tensor, seen: _Seen) -> torch.Tensor:
    left, _, top, _ = seen.padding
    return planes[:, top : top + seen.size[0], left : left + seen.size[1]]


def _moved(value: Any, device: str) -> Any:
    """A state with its tensors on a device."""
    if hasattr(value, "to"):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(each, device) for name, each in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        changed = {one.name: _moved(getattr(value, one.name), device) for one in fields(value)}
        return replace(value, **changed)
    return value


def _confidence(mask: Mask) -> float:
    """Mean probability inside the mask; the highest there is where nothing is inside."""
    inside = mask[mask > 0.5]
    return float(inside.mean() if inside.size else mask.max())
