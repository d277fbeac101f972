"""Convolution blocks on volumes (B, C, D, H, W) whose depth is never resized (docs/specs/facevid2vid.md 2.1, 2.4).

Attribute names are the keys of the authors' checkpoints. The repository changed how the blocks resize on
2021-11-18 without a change of keys; `legacy` blocks are those before, which the beta weights need
(docs/specs/facevid2vid.md 1.1).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import HourglassConfig

PLANE = (1, 2, 2)  # resizing factors of (D, H, W)


def numbered(prefix: str, blocks: Iterable[nn.Module]) -> nn.Sequential:
    """Blocks in a row, named `prefix` and their number as in the checkpoints."""
    stack = nn.Sequential()
    for index, block in enumerate(blocks):
        stack.add_module(f"{prefix}{index}", block)
    return stack


class DownBlock3d(nn.Module):
    """3×3×3 convolution, batch norm, ReLU, and H, W halved: by average pooling, or, legacy, by the stride."""

    def __init__(self, in_features: int, out_features: int, legacy: bool) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_features, out_features, 3, padding=1, stride=PLANE if legacy else 1)
        self.norm = nn.BatchNorm3d(out_features)
        self.legacy = legacy

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm(self.conv(x)))
        return out if self.legacy else F.avg_pool3d(out, PLANE)


class UpBlock3d(nn.Module):
    """H, W doubled by nearest neighbours (legacy: trilinear), then 3×3×3 convolution, batch norm, ReLU."""

    def __init__(self, in_features: int, out_features: int, legacy: bool) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_features, out_features, 3, padding=1)
        self.norm = nn.BatchNorm3d(out_features)
        self.mode = "trilinear" if legacy else "nearest"

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(F.interpolate(x, scale_factor=PLANE, mode=self.mode))))


class ResBlock3d(nn.Module):
    """Pre-activation residual block of two 3×3×3 convolutions."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(features, features, 3, padding=1)
        self.conv2 = nn.Conv3d(features, features, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(features)
        self.norm2 = nn.BatchNorm3d(features)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(inner)))


class _Encoder(nn.Module):
    def __init__(self, in_features: int, config: HourglassConfig, legacy: bool) -> None:
        super().__init__()
        widths = [in_features, *config.widths[1:]]
        self.down_blocks = nn.ModuleList(DownBlock3d(a, b, legacy) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [x]
        for down in self.down_blocks:
            maps.append(down(maps[-1]))
        return maps


class _Decoder(nn.Module):
    def __init__(self, in_features: int, config: HourglassConfig, legacy: bool) -> None:
        super().__init__()
        bottom, *skips = reversed(config.widths[1:])
        inputs = [bottom, *(2 * width for width in skips)]  # each output is followed by a skip as wide
        outputs = reversed(config.widths[:-1])
        self.up_blocks = nn.ModuleList(UpBlock3d(a, b, legacy) for a, b in zip(inputs, outputs, strict=True))
        features = config.block_expansion + in_features
        self.conv = nn.Conv3d(features, features, 3, padding=1)
        self.norm = nn.BatchNorm3d(features)

    def forward(self, maps: list[Tensor]) -> Tensor:
        out, *skips = reversed(maps)
        for up, skip in zip(self.up_blocks, skips, strict=True):
            out = torch.cat([up(out), skip], dim=1)
        return F.relu(self.norm(self.conv(out)))


class Hourglass3d(nn.Module):
    """U-Net that ends with a convolution: (B, in, D, H, W) → (B, block_expansion + in, D, H, W).

    H and W must be multiples of 2^num_blocks.
    """

    def __init__(self, in_features: int, config: HourglassConfig, legacy: bool) -> None:
        super().__init__()
        self.encoder = _Encoder(in_features, config, legacy)
        self.decoder = _Decoder(in_features, config, legacy)
        self.out_features = config.block_expansion + in_features

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(x))
        return out
