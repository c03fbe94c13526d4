"""One pass of SAM 2's tracker, in bounded memory.

Each object has an inference session of the carrying package for itself, all of them fed
with the same image features. So an object's masks do not depend on which others are
tracked until they compete for pixels in the answer, as in Meta's own predictor. (Within
one session of transformers 5.23, a keyframe of one object turns the tracking direction and
hardens the memory of the others on that frame.)

A session keeps every frame and every output. After each frame, all that later frames cannot
read is let go: frames, image features, large masks, and outputs beyond the memory window.
What remains per object is `num_maskmem - 1` memories, a few pointers and its keyframes.

A frame that fails, of memory for example, can be given again: what it left is written over.

Time runs forwards in here: frames of a backward pass get rising numbers too, which for the
network is the same thing as tracking in reverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from airoto_server.engines.roles import Mask, Picture, Tracked
from airoto_server.engines.sam2_image import prepare
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    Placement,
    forward_pass,
    mask_tensor,
    move_tensors,
    resize,
    tensor_bytes,
    to_mask,
)
from airoto_server.engines.track_inputs import TrackInputs

if TYPE_CHECKING:
    import torch
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    Features = dict[str, Any]

# The package stops looking back at index 0; numbers start far above it.
_ORIGIN = 1 << 40
# In a session for one object.
_ONLY = 0
# What a frame must keep to be remembered, and what is read of older frames.
_MEMORY = ("maskmem_features", "maskmem_pos_enc", "object_pointer")
_POINTER = ("object_pointer",)
_KEYFRAME = (*_MEMORY, "pred_masks", "object_score_logits")


class Sam2Pass:
    """A `TrackRun` over SAM 2's video model."""

    def __init__(self, engine: TorchEngine, place: Placement, object_ids: Sequence[int]) -> None:
        self._engine = engine
        self._place = place
        self._inputs = TrackInputs(object_ids)
        self._sessions: dict[int, Sam2VideoInferenceSession] = {}
        self._side: int = engine.model.prompt_encoder.input_image_size
        self._positions: torch.Tensor | None = None
        # 1 while frames rise along the pass, -1 when they fall.
        self._sign = 1

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learn a keyframe that is elsewhere in the shot; it is remembered to the end."""
        with self._inputs.undone_on_error():
            self._inputs.check(frame, picture, masks)
            if masks:
                features = self._features(picture)
                for each, mask in masks.items():
                    self._run(each, self._index(frame), features, mask)

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """The next frame; see `TrackRun`.

        Raises:
            EngineError: an object that was not announced, a mask or picture of another
                size, or a frame against the pass's direction.
        """
        with self._inputs.undone_on_error():
            return self._step(frame, picture, dict(masks or {}))

    def _step(self, frame: int, picture: Picture, given: Mapping[int, Mask]) -> dict[int, Tracked]:
        self._inputs.step(frame, picture, given)
        self._turn(self._inputs.sign or self._likely_sign(frame))
        begun = [
            each for each in self._inputs.object_ids if each in self._sessions or each in given
        ]
        if not begun:
            return {}
        features = self._features(picture)
        index = self._index(frame)
        outputs = {each: self._run(each, index, features, given.get(each)) for each in begun}
        return self._answer(outputs, given, picture.shape[:2])

    def memory_bytes(self) -> int:
        """Memory of all that is remembered, in bytes."""
        return tensor_bytes(
            [
                (session.output_dict_per_obj, session.mask_inputs_per_obj)
                for session in self._sessions.values()
            ]
        )

    def resume(self, engine: TorchEngine) -> None:
        """Go on with another instance of the same engine; the first was unloaded."""
        self._engine = engine

    def to_device(self, device: str) -> None:
        """Move what is remembered, to host memory (`cpu`) and back before the next frame."""
        move_tensors([each.output_dict_per_obj for each in self._sessions.values()], device)
        # The next frame finds it among the outputs again.
        self._positions = None

    def close(self) -> None:
        """Forget everything."""
        self._sessions.clear()
        self._positions = None

    def _features(self, picture: Picture) -> Features:
        pixels = prepare(picture, self._side, self._place)
        with forward_pass(self._place):
            encoded = self._engine.model.get_image_features(pixels, return_dict=True)
        return {
            "pixels": pixels,
            "vision_feats": encoded.fpn_hidden_states,
            "vision_pos_embeds": encoded.fpn_position_encoding,
        }

    def _run(
        self, object_id: int, index: int, features: Features, mask: Mask | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One object on one frame: logits (h, w) and the logit of its being there."""
        session = self._session(object_id)
        session.cache.cache_vision_features(index, features)
        if mask is not None:
            session.add_mask_inputs(_ONLY, index, self._hard(mask))
            session.obj_with_new_inputs = [object_id]
            session.output_dict_per_obj[_ONLY]["non_cond_frame_outputs"].pop(index, None)
        with forward_pass(self._place):
            answer = self._engine.model(session, frame_idx=index, frame=features["pixels"])
        self._prune(session, index)
        return answer.pred_masks[0, 0], answer.object_score_logits[0]

    def _session(self, object_id: int) -> Sam2VideoInferenceSession:
        import torch
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        if object_id not in self._sessions:
            device = self._place.device
            session = Sam2VideoInferenceSession(
                inference_device=device,
                inference_state_device=device,
                video_storage_device=device,
                dtype=torch.float32,
            )
            session.obj_id_to_idx(object_id)  # registers it, as number 0
            self._sessions[object_id] = session
        return self._sessions[object_id]

    def _hard(self, mask: Mask) -> torch.Tensor:
        """A keyframe mask at the network's size, cut at one half: it was trained on such."""
        soft = mask_tensor(mask, mask.shape, self._place)
        return (resize(soft, (self._side, self._side)) >= 0.5).float()

    def _prune(self, session: Sam2VideoInferenceSession, index: int) -> None:
        """Let go of what no later frame can read."""
        session.processed_frames = None
        session.cache.clear_all()
        session.mask_inputs_per_obj[_ONLY].clear()
        session.frames_tracked_per_obj[_ONLY].clear()
        outputs = session.output_dict_per_obj[_ONLY]
        for output in outputs["cond_frame_outputs"].values():
            self._keep(output, _KEYFRAME)
        tracked = outputs["non_cond_frame_outputs"]
        model = self._engine.model
        for each in list(tracked):
            # The next frame looks back this far.
            age = index + 1 - each
            if age >= model.config.max_object_pointers_in_encoder:
                del tracked[each]
            elif age >= model.num_maskmem:
                self._keep(tracked[each], _POINTER)
            else:
                self._keep(tracked[each], _MEMORY)

    def _keep(self, output: dict[str, Any], names: tuple[str, ...]) -> None:
        for name in [each for each in output if each not in names]:
            del output[name]
        if "maskmem_pos_enc" in output:
            # The same values for every frame: one tensor serves all.
            if self._positions is None:
                self._positions = output["maskmem_pos_enc"]
            output["maskmem_pos_enc"] = self._positions

    def _answer(
        self,
        outputs: Mapping[int, tuple[torch.Tensor, torch.Tensor]],
        given: Mapping[int, Mask],
        size: tuple[int, int],
    ) -> dict[int, Tracked]:
        """Masks at the picture's size; where objects meet, they share the pixel."""
        import torch

        answer = {each: Tracked(np.array(mask, np.float32), 1.0) for each, mask in given.items()}
        tracked = [each for each in outputs if each not in given]
        if tracked:
            with torch.inference_mode():
                small = torch.stack([outputs[each][0].float() for each in tracked])[None]
                logits = torch.nn.functional.interpolate(
                    small, size=size, mode="bilinear", align_corners=False
                )[0]
                # Background is logit 0: for one object this is the plain sigmoid.
                shares = torch.softmax(torch.cat([torch.zeros_like(logits[:1]), logits]), 0)[1:]
            free = 1.0 - np.clip(sum((m for m in given.values()), np.zeros(size, np.float32)), 0, 1)
            for place, each in enumerate(tracked):
                there = float(torch.sigmoid(outputs[each][1].float()).item())
                answer[each] = Tracked(to_mask(shares[place]) * free, there)
        return {each: answer[each] for each in outputs}

    def _index(self, frame: int) -> int:
        """A frame's number along the pass."""
        return _ORIGIN + self._sign * frame

    def _likely_sign(self, frame: int) -> int:
        """The direction of a pass at its first frame: away from its keyframes."""
        keyframes = [
            self._sign * (index - _ORIGIN)
            for session in self._sessions.values()
            for index in session.output_dict_per_obj[_ONLY]["cond_frame_outputs"]
        ]
        return -1 if keyframes and min(keyframes) > frame else 1

    def _turn(self, sign: int) -> None:
        """Number what is remembered along this direction."""
        if sign == self._sign:
            return
        self._sign = sign
        for session in self._sessions.values():
            outputs = session.output_dict_per_obj[_ONLY]
            for kind, by_index in outputs.items():
                outputs[kind] = {2 * _ORIGIN - index: out for index, out in by_index.items()}
