"""Convolution blocks of the first-order family (specs fomm, sections "Block: …").

Attribute names are the keys of the authors' checkpoints.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SameBlock(nn.Module):
    """Convolution, batch norm, ReLU at constant size."""

    def __init__(self, in_features: int, out_features: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, kernel_size, padding=kernel_size // 2)
        self.norm = nn.BatchNorm2d(out_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class DownBlock(SameBlock):
    """`SameBlock`, then 2×2 average pooling."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """Nearest ×2 enlargement, then `SameBlock`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class ResBlock(nn.Module):
    """Pre-activation residual block of two 3×3 convolutions."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(features)
        self.norm2 = nn.BatchNorm2d(features)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(inner)))


class _Encoder(nn.Module):
    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        pairs = itertools.pairwise(widths)
        self.down_blocks = nn.ModuleList(DownBlock(before, after) for before, after in pairs)


class _Decoder(nn.Module):
    def __init__(self, up_blocks: list[UpBlock]) -> None:
        super().__init__()
        self.up_blocks = nn.ModuleList(up_blocks)


@dataclass(frozen=True)
class HourglassConfig:
    """Widths and depth of a U-Net, and the scale of the image that it works on."""

    block_expansion: int
    max_features: int = 1024
    num_blocks: int = 5
    scale_factor: float = 0.25


class Hourglass(nn.Module):
    """U-Net whose output ends with its raw input: (B, in, H, W) → (B, block_expansion + in, H, W).

    H and W must be multiples of 2^num_blocks.
    """

    def __init__(self, in_features: int, config: HourglassConfig) -> None:
        super().__init__()
        last = config.num_blocks - 1
        widths = [min(config.max_features, config.block_expansion * 2**i) for i in range(config.num_blocks + 1)]
        self.encoder = _Encoder([in_features, *widths[1:]])
        ups = [UpBlock(widths[i + 1] * (1 if i == last else 2), widths[i]) for i in range(last, -1, -1)]
        self.decoder = _Decoder(ups)
        self.out_features = config.block_expansion + in_features

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for down in self.encoder.down_blocks:
            skips.append(down(skips[-1]))
        out = skips.pop()
        for up in self.decoder.up_blocks:
            out = torch.cat([up(out), skips.pop()], dim=1)
        return out


class AntiAliasDownsample(nn.Module):
    """Gaussian blur, then every n-th pixel (n = 1/scale): (B, C, H, W) → (B, C, H/n, W/n).

    σ = (n − 1)/2, kernel 2·round(4σ) + 1, zero padding; the constant kernel is part of the authors'
    checkpoints (specs fomm, "Block: anti-aliased downsampling"). `scale` must be below 1.
    """

    weight: Tensor

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.stride = int(1 / scale)
        sigma = (1 / scale - 1) / 2
        size = 2 * round(4 * sigma) + 1
        line = torch.exp(-((torch.arange(size, dtype=torch.float32) - (size - 1) / 2) ** 2) / (2 * sigma**2))
        kernel = line[:, None] * line[None, :]
        self.register_buffer("weight", (kernel / kernel.sum()).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.weight.shape[-1] // 2, groups=x.shape[1])
