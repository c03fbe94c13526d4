"""One pass of Cutie, in bounded memory.

The package's `InferenceCore` and memory do the work: working memory of the last frames,
consolidated into a long-term memory of limited size, and permanent memory for keyframes,
which grows with their number alone. Three things are done around it:

- A keyframe may name some of the objects. The package mixes up masks and objects then
  (rf-cutie 1.0.1 reads the given masks by the wrong number), so the others' masks are
  predicted first and the keyframe is given whole.
- A keyframe elsewhere in the shot goes to permanent memory without disturbing what the
  pass knows of the previous frame.
- Pictures are worked on with a short side of at most 480 pixels, as in the paper.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from airoto_server.engines.roles import Mask, Picture, Tracked
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    Placement,
    forward_pass,
    mask_tensor,
    move_tensors,
    picture_tensor,
    resize,
    tensor_bytes,
    to_mask,
)
from airoto_server.engines.track_inputs import TrackInputs

if TYPE_CHECKING:
    import torch
    from cutie.inference.inference_core import InferenceCore
    from omegaconf import DictConfig

# Limits of the short side in pixels. Below the lower one a frame has fewer places in memory
# than the package's top-k and prototypes ask for.
SHORT_SIDE = (128, 480)
# The network's stride.
_STRIDE = 16


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a picture of `size` is worked on, with its aspect."""
    short = min(size)
    scale = min(max(short, SHORT_SIDE[0]), SHORT_SIDE[1]) / short
    return (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1))


class CutiePass:
    """A `TrackRun` over Cutie."""

    def __init__(
        self, engine: TorchEngine, config: DictConfig, place: Placement, object_ids: Sequence[int]
    ) -> None:
        from cutie.inference.inference_core import InferenceCore

        self._engine = engine
        self._place = place
        self._inputs = TrackInputs(object_ids)
        self._core: InferenceCore = InferenceCore(None, config)

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learn a keyframe that is elsewhere in the shot; it is remembered to the end."""
        with self._attempt():
            self._inputs.check(frame, picture, masks)
            if masks:
                self._condition(picture, masks)

    def _condition(self, picture: Picture, masks: Mapping[int, Mask]) -> None:
        core, memory = self._core, self._core.memory
        sensory, last_mask = dict(memory.sensory), core.last_mask
        times = core.curr_ti, core.last_mem_ti
        with forward_pass(self._place):
            image = self._image(picture)
            # That keyframe has no previous frame.
            self._forget_neighbour(image)
            self._keyframe(image, self._given(masks, image))
            self._forget_neighbour(image)
            memory.sensory.update(sensory)
            if last_mask is not None:
                core.last_mask[:, : last_mask.shape[1]] = last_mask
        core.curr_ti, core.last_mem_ti = times

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """The next frame; see `TrackRun`.

        Raises:
            EngineError: an object that was not announced, a mask or picture of another
                size, or a frame against the pass's direction.
        """
        with self._attempt():
            return self._step(frame, picture, dict(masks or {}))

    def _step(self, frame: int, picture: Picture, given: Mapping[int, Mask]) -> dict[int, Tracked]:
        self._inputs.step(frame, picture, given)
        if not given and not self._objects():
            return {}
        with forward_pass(self._place):
            image = self._image(picture)
            if given:
                shares = self._keyframe(image, self._given(given, image))
            else:
                shares = self._core.step(image)
            shares = resize(shares[None, 1:].float(), picture.shape[:2])[0]
        begun = self._objects()
        tracked = {name: to_mask(shares[at]) for at, name in enumerate(begun) if name not in given}
        if given and tracked:
            # The masks given are the answer as they are; the others share what they leave.
            left = 1 - np.clip(np.sum(list(given.values()), axis=0), 0, 1)
            wanted = np.maximum(np.sum(list(tracked.values()), axis=0), np.float32(1e-6))
            scale = np.minimum(left / wanted, 1).astype(np.float32)
            tracked = {name: mask * scale for name, mask in tracked.items()}
        return {
            name: Tracked(np.array(given[name], np.float32), 1.0)
            if name in given
            else Tracked(tracked[name], _confidence(tracked[name]))
            for name in begun
        }

    def memory_bytes(self) -> int:
        """Memory of all that is remembered, in bytes."""
        return tensor_bytes(self._remembered(), [self._core.last_mask])

    def resume(self, engine: TorchEngine) -> None:
        """Go on with another instance of the same engine; the first was unloaded."""
        self._engine = engine

    def to_device(self, device: str) -> None:
        """Move what is remembered, to host memory (`cpu`) and back before the next frame."""
        move_tensors(self._remembered(), device)
        if self._core.last_mask is not None:
            self._core.last_mask = self._core.last_mask.to(device)

    def close(self) -> None:
        """Forget everything."""
        from cutie.inference.object_manager import ObjectManager

        self._core.object_manager = ObjectManager()
        self._core.clear_memory()
        self._core.last_mask = None

    def _remembered(self) -> list[dict[Any, Any]]:
        """The dictionaries in which the package keeps its memories, live."""
        memory = self._core.memory
        stores = [vars(memory.work_mem)]
        if memory.use_long_term:
            stores.append(vars(memory.long_mem))
        return [*stores, memory.sensory, memory.obj_v]

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Around a step: with the network lent to the core, and undone where it fails."""
        core = self._core
        before = _saved(core)
        core.network = core.image_feature_store.network = self._engine.model
        try:
            with self._inputs.undone_on_error():
                yield
        except BaseException:
            _restore(core, before)
            raise
        finally:
            # A pass between two steps keeps no engine alive that has to leave the device.
            core.network = core.image_feature_store.network = None

    def _objects(self) -> list[int]:
        """Ids of the objects begun, in the order of the network's planes."""
        return list(self._core.object_manager.all_obj_ids)

    def _image(self, picture: Picture) -> torch.Tensor:
        """The picture (3, h, w) at working size."""
        pixels = picture_tensor(picture, self._place)
        return resize(pixels, working_size(picture.shape[:2]))[0]

    def _given(self, masks: Mapping[int, Mask], image: torch.Tensor) -> dict[int, torch.Tensor]:
        """Masks (h, w) at the image's size."""
        size = (image.shape[1], image.shape[2])
        return {
            each: resize(mask_tensor(mask, mask.shape, self._place), size)[0, 0].clamp(0, 1)
            for each, mask in masks.items()
        }

    def _keyframe(self, image: torch.Tensor, given: dict[int, torch.Tensor]) -> torch.Tensor:
        """Put a frame with masks into permanent memory; all objects' shares of its pixels."""
        import torch

        begun = self._objects()
        planes = dict(given)
        if not all(each in given for each in begun):
            predicted = self._predict(image)
            free = 1 - torch.stack(list(given.values())).sum(0).clamp(0, 1)
            for place, each in enumerate(begun, start=1):
                planes.setdefault(each, predicted[place] * free)
        objects = begun + [
            each for each in self._inputs.object_ids if each in planes and each not in begun
        ]
        # Known beforehand, so that the package does not merge masks itself.
        self._core.object_manager.add_new_objects(objects)
        return self._core.step(
            image,
            torch.stack([planes[each] for each in objects]),
            objects,
            idx_mask=False,
            force_permanent=True,
        )

    def _predict(self, image: torch.Tensor) -> torch.Tensor:
        """Shares of a frame's pixels without remembering it; its features are kept."""
        shares = self._core.step(image, end=True, delete_buffer=False)
        self._core.curr_ti -= 1
        return shares

    def _forget_neighbour(self, image: torch.Tensor) -> None:
        """Leave no trace of a previous frame: empty sensory memory, empty last masks."""
        core = self._core
        height, width = (-(-side // _STRIDE) * _STRIDE for side in image.shape[1:])
        objects = self._objects()
        core.last_mask = image.new_zeros(1, len(objects), height, width)
        core.memory.sensory = {}
        core.memory.initialize_sensory_if_needed(
            image.new_zeros(1, 1, height // _STRIDE, width // _STRIDE), objects
        )


# What the package changes in place; everything else it replaces.
_COUNTED = ("use_cnt", "life_cnt", "obj_v")


def _saved(core: InferenceCore) -> dict[str, Any]:
    """What a step changes, so that one that fails can be undone; nearly all of it by reference."""
    memory = core.memory
    stores = {"work_mem": memory.work_mem}
    if memory.use_long_term:
        stores["long_mem"] = memory.long_mem
    return {
        "core": (core.curr_ti, core.last_mem_ti, core.last_mask),
        "objects": copy.deepcopy(core.object_manager),
        "memory": {name: _held(name, value) for name, value in vars(memory).items()},
        "stores": {
            store: {name: _held(name, value) for name, value in vars(held).items()}
            for store, held in stores.items()
        },
    }


def _held(name: str, value: Any) -> Any:
    """A value that later changes in place do not reach."""
    if not isinstance(value, dict):
        return value
    kept = copy.copy(value)
    for key, each in kept.items():
        if name in _COUNTED:
            kept[key] = each.clone()
        elif isinstance(each, list):
            kept[key] = list(each)
    return kept


def _restore(core: InferenceCore, before: dict[str, Any]) -> None:
    core.curr_ti, core.last_mem_ti, core.last_mask = before["core"]
    core.object_manager = before["objects"]
    vars(core.memory).update(before["memory"])
    core.memory.object_manager = before["objects"]
    for store, values in before["stores"].items():
        vars(getattr(core.memory, store)).update(values)
    core.image_feature_store._store.clear()


def _confidence(mask: Mask) -> float:
    """Mean probability inside the mask; the highest there is where nothing is inside."""
    inside = mask[mask > 0.5]
    return float(inside.mean() if inside.size else mask.max())
