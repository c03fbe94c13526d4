"""MobileSAM's image encoder: TinyViT with the neck of Segment Anything.

Source: Wu et al., TinyViT: Fast Pretraining Distillation for Small Vision Transformers, ECCV
2022, arXiv 2207.10666, as in Zhang et al., Faster Segment Anything, arXiv 2306.14289: the third
and fourth stage keep stride 16. Written from the papers; tensors are named as in the released
`mobile_sam.pt`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class TinyVitSize:
    """One architecture; the released one is the default.

    Attributes:
        side: of the network's square in pixels.
        widths, blocks, heads, windows: by stage; the first stage convolves and has no heads.
        classes: of a head that the file holds and nobody uses.
        neck: channels of the answer.
    """

    side: int = 1024
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    blocks: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int, int] = (2, 4, 5, 10)
    windows: tuple[int, int, int, int] = (7, 7, 14, 7)
    classes: int = 1000
    neck: int = 256


def _convolution(
    inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Module:
    """A convolution and its normalisation."""
    layer = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(c=layer, bn=nn.BatchNorm2d(outer)))


class _MobileBlock(nn.Module):
    """An inverted residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _convolution(width, width * 4, 1)
        self.conv2 = _convolution(width * 4, width * 4, 3, groups=width * 4)
        self.conv3 = _convolution(width * 4, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(y))


class _Merge(nn.Module):
    """To the next stage's width, and half its size or the same."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inner, outer, 1)
        self.conv2 = _convolution(outer, outer, 3, stride, groups=outer)
        self.conv3 = _convolution(outer, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class _Attention(nn.Module):
    """Attention inside a window, with a learned bias by distance."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, width * 3)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        # Distances are numbered in the order in which pairs of pixels come to them, which is
        # that of the pixels themselves.
        place = torch.arange(window * window)
        down = (place[:, None] // window - place // window).abs()
        across = (place[:, None] % window - place % window).abs()
        self.register_buffer("distance", down * window + across, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of windows (N, pixels, C)."""
        count, pixels, width = x.shape
        parts = self.qkv(self.norm(x)).view(count, pixels, self.heads, -1).transpose(1, 2)
        query, key, value = parts.chunk(3, -1)
        bias = self.attention_biases[:, self.distance]
        answer = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(answer.transpose(1, 2).reshape(count, pixels, width))


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width * 4)
        self.fc2 = nn.Linear(width * 4, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class _Block(nn.Module):
    """Attention in windows, a local convolution, a perceptron."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = _Attention(width, heads, window)
        self.mlp = _Mlp(width)
        self.local_conv = _convolution(width, width, 3, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Of a map (1, C, h, w)."""
        x = x + self._in_windows(x)
        x = self.local_conv(x)
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _in_windows(self, x: Tensor) -> Tensor:
        side = self.window
        _, width, height, length = x.shape
        padded = F.pad(x, (0, -length % side, 0, -height % side))
        rows, columns = padded.shape[2] // side, padded.shape[3] // side
        tiles = padded.view(width, rows, side, columns, side).permute(1, 3, 2, 4, 0)
        answer = self.attn(tiles.reshape(rows * columns, side * side, width))
        answer = answer.view(rows, columns, side, side, width).permute(4, 0, 2, 1, 3)
        return answer.reshape(1, width, rows * side, columns * side)[..., :height, :length]


class _Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class _LayerNorm(nn.Module):
    """Over the channels of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
        return y.permute(0, 3, 1, 2)


class TinyVit(nn.Module):
    """The encoder; strict over the tensors of `image_encoder.` in `mobile_sam.pt`."""

    def __init__(self, size: TinyVitSize) -> None:
        super().__init__()
        first = size.widths[0]
        self.patch_embed = nn.Module()
        self.patch_embed.seq = nn.Sequential(
            _convolution(3, first // 2, 3, 2), nn.GELU(), _convolution(first // 2, first, 3, 2)
        )
        stages = []
        for place, width in enumerate(size.widths):
            blocks: list[nn.Module] = [
                _MobileBlock(width)
                if place == 0
                else _Block(width, size.heads[place], size.windows[place])
                for _ in range(size.blocks[place])
            ]
            merge = None
            if place < 3:
                merge = _Merge(width, size.widths[place + 1], 1 if place == 2 else 2)
            stages.append(_Stage(blocks, merge))
        self.layers = nn.ModuleList(stages)
        # What classified pictures once; the file holds it.
        self.norm_head = nn.LayerNorm(size.widths[3])
        self.head = nn.Linear(size.widths[3], size.classes)
        self.neck = nn.Sequential(
            nn.Conv2d(size.widths[3], size.neck, 1, bias=False),
            _LayerNorm(size.neck),
            nn.Conv2d(size.neck, size.neck, 3, padding=1, bias=False),
            _LayerNorm(size.neck),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels (1, 3, side, side) to features (1, C, side / 16, side / 16)."""
        x = self.patch_embed.seq(pixels)
        for stage in self.layers:
            x = stage(x)
        return self.neck(x)
