"""XMem's network: pictures to keys, masks to values, what memory gives back to masks.

Source: Cheng and Schwing, XMem: Long-Term Video Object Segmentation with an Atkinson-Shiffrin
Memory Model, ECCV 2022, arXiv 2207.07115. Written from the paper; tensors are named as those
of the released `XMem.pth`. Objects are the batch: what depends on masks is (objects, C, h, w),
what depends on the picture alone is (1, C, h, w).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The logit of a probability 1e-7 from 1, where the authors limit it.
_SURE = math.log((1 - 1e-7) / 1e-7)


@dataclass(frozen=True)
class XMemSize:
    """One architecture; the released one is the default.

    Attributes:
        base: channels of the encoders' first stage.
        key, value, hidden: channels of keys, values and sensory memory.
        decoder: channels of the decoder at stride 16.
    """

    name: str = "xmem"
    base: int = 64
    key: int = 64
    value: int = 512
    hidden: int = 64
    decoder: int = 512


class _Basic(nn.Module):
    """A residual block of two convolutions."""

    expansion = 1

    def __init__(self, inner: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inner, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + (self.downsample(x) if self.downsample else x))


class _Bottleneck(nn.Module):
    """A residual block of three convolutions, the middle one narrower."""

    expansion = 4

    def __init__(self, inner: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.downsample = _shortcut(inner, width * 4, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (self.downsample(x) if self.downsample else x))


def _shortcut(inner: int, outer: int, stride: int) -> nn.Module | None:
    if inner == outer and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))


def _stage(
    block: type[_Basic] | type[_Bottleneck], inner: int, width: int, count: int, stride: int
) -> nn.Sequential:
    outer = width * block.expansion
    first = block(inner, width, stride)
    return nn.Sequential(first, *(block(outer, width, 1) for _ in range(count - 1)))


class _KeyEncoder(nn.Module):
    """ResNet-50 without its last stage."""

    def __init__(self, size: XMemSize) -> None:
        super().__init__()
        base = size.base
        self.conv1 = nn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.res2 = _stage(_Bottleneck, base, base, 3, 1)
        self.layer2 = _stage(_Bottleneck, base * 4, base * 2, 4, 2)
        self.layer3 = _stage(_Bottleneck, base * 8, base * 4, 6, 2)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at strides 16, 8 and 4."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(picture))), 3, 2, 1)
        at_4 = self.res2(x)
        at_8 = self.layer2(at_4)
        return self.layer3(at_8), at_8, at_4


class _KeyProjection(nn.Module):
    def __init__(self, inner: int, key: int) -> None:
        super().__init__()
        self.key_proj = nn.Conv2d(inner, key, 3, padding=1)
        self.d_proj = nn.Conv2d(inner, 1, 3, padding=1)
        self.e_proj = nn.Conv2d(inner, key, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Key, shrinkage (1 and more), selection (0 to 1)."""
        return self.key_proj(x), self.d_proj(x) ** 2 + 1, torch.sigmoid(self.e_proj(x))


class _ResBlock(nn.Module):
    """A residual block without normalisation, its input activated first."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.downsample = None if inner == outer else nn.Conv2d(inner, outer, 3, padding=1)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(F.relu(x))))
        return y + (x if self.downsample is None else self.downsample(x))


class _ChannelGate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 16
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        weight = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        return x * torch.sigmoid(weight)[..., None, None]


class _SpatialGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Module()
        self.spatial.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.spatial.conv(seen))


class _Attention(nn.Module):
    """Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = _ChannelGate(channels)
        self.SpatialGate = _SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        return self.SpatialGate(self.ChannelGate(x))


class _Fusion(nn.Module):
    """The picture's features and each object's."""

    def __init__(self, picture: int, inner: int, outer: int) -> None:
        super().__init__()
        self.block1 = _ResBlock(picture + inner, outer)
        self.attention = _Attention(outer)
        self.block2 = _ResBlock(outer, outer)

    def forward(self, picture: Tensor, x: Tensor) -> Tensor:
        x = self.block1(_beside(picture, x))
        return self.block2(x + self.attention(x))


class _Gru(nn.Module):
    """A gated update of sensory memory."""

    def __init__(self, inner: int, hidden: int) -> None:
        super().__init__()
        self.transform = nn.Conv2d(inner + hidden, hidden * 3, 3, padding=1)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        forget, update, new = self.transform(torch.cat([x, hidden], 1)).chunk(3, 1)
        forget, update = torch.sigmoid(forget), torch.sigmoid(update)
        # Forgetting acts on what the update leaves, as in the released network.
        return forget * hidden * (1 - update) + update * torch.tanh(new)


class _HiddenUpdate(_Gru):
    """Sensory memory from the decoder's three scales."""

    def __init__(self, inner: tuple[int, int, int], middle: int, hidden: int) -> None:
        super().__init__(middle, hidden)
        self.g16_conv = nn.Conv2d(inner[0], middle, 1)
        self.g8_conv = nn.Conv2d(inner[1], middle, 1)
        self.g4_conv = nn.Conv2d(inner[2], middle, 1)

    def of_scales(self, at_16: Tensor, at_8: Tensor, at_4: Tensor, hidden: Tensor) -> Tensor:
        x = self.g16_conv(at_16) + self.g8_conv(F.avg_pool2d(at_8, 2))
        return self(x + self.g4_conv(F.avg_pool2d(at_4, 4)), hidden)


class _ValueEncoder(nn.Module):
    """ResNet-18 without its last stage, over the picture, a mask and the sum of the others."""

    def __init__(self, size: XMemSize) -> None:
        super().__init__()
        base = size.base
        self.conv1 = nn.Conv2d(5, base, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.layer1 = _stage(_Basic, base, base, 2, 1)
        self.layer2 = _stage(_Basic, base, base * 2, 2, 2)
        self.layer3 = _stage(_Basic, base * 2, base * 4, 2, 2)
        self.fuser = _Fusion(base * 16, base * 4, size.value)
        self.hidden_reinforce = _Gru(size.value, size.hidden)

    def forward(
        self, picture: Tensor, at_16: Tensor, masks: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        count = masks.shape[0]
        apart = 1 - torch.eye(count, dtype=masks.dtype, device=masks.device)
        others = (apart @ masks.flatten(1)).view_as(masks)
        x = self.bn1(self.conv1(_beside(picture, torch.cat([masks, others], 1))))
        x = self.layer3(self.layer2(self.layer1(F.relu(F.max_pool2d(x, 3, 2, 1)))))
        value = self.fuser(at_16, x)
        return value, self.hidden_reinforce(value, hidden)


class _Upsample(nn.Module):
    def __init__(self, skip: int, inner: int, outer: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(skip, inner, 3, padding=1)
        self.out_conv = _ResBlock(inner, outer)

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        return self.out_conv(self.skip_conv(skip) + _larger(x, 2))


class _Decoder(nn.Module):
    def __init__(self, size: XMemSize) -> None:
        super().__init__()
        base, wide = size.base, size.decoder
        half = wide // 2
        self.fuser = _Fusion(base * 16, size.value + size.hidden, wide)
        self.hidden_update = _HiddenUpdate((wide, half, half + 1), half, size.hidden)
        self.up_16_8 = _Upsample(base * 8, wide, half)
        self.up_8_4 = _Upsample(base * 4, half, half)
        self.pred = nn.Conv2d(half, 1, 3, padding=1)

    def forward(
        self, features: tuple[Tensor, Tensor, Tensor], read: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (objects, 1, H, W) and the new sensory memory."""
        at_16 = self.fuser(features[0], torch.cat([read, hidden], 1))
        at_8 = self.up_16_8(features[1], at_16)
        at_4 = self.up_8_4(features[2], at_8)
        logits = self.pred(F.relu(at_4))
        hidden = self.hidden_update.of_scales(at_16, at_8, torch.cat([at_4, logits], 1), hidden)
        return _larger(logits, 4), hidden


class XMemNetwork(nn.Module):
    """All of it; strict over the tensors of `XMem.pth`."""

    def __init__(self, size: XMemSize) -> None:
        super().__init__()
        self.key_encoder = _KeyEncoder(size)
        self.value_encoder = _ValueEncoder(size)
        self.key_proj = _KeyProjection(size.base * 16, size.key)
        self.decoder = _Decoder(size)


def shares(logits: Tensor) -> Tensor:
    """Objects' logits (objects, H, W) as shares of pixels, the background first.

    Source: soft aggregation, Oh et al., Video Object Segmentation using Space-Time Memory
    Networks, ICCV 2019. The authors take it of probabilities, limited to 1e-7 from 0 and 1. The
    same is taken of logits here, since of a probability near 1 single precision knows only the
    nearest multiple of 6e-8: two objects that are both sure of a pixel would share it by rounding.
    """
    elsewhere = F.logsigmoid(-logits).sum(0, keepdim=True)
    background = elsewhere - torch.log(-torch.expm1(elsewhere))
    return torch.softmax(torch.cat([background, logits]).clamp(-_SURE, _SURE), 0)


def logits_of(probabilities: Tensor) -> Tensor:
    """Logits of probabilities, of 0 and 1 too, as far as `shares` tells them apart."""
    return (torch.log(probabilities) - torch.log1p(-probabilities)).clamp(-2 * _SURE, 2 * _SURE)


def _beside(picture: Tensor, x: Tensor) -> Tensor:
    return torch.cat([picture.expand(x.shape[0], -1, -1, -1), x], 1)


def _larger(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
