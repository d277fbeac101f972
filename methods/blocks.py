"""Convolution blocks of the first-order family (docs/specs/fomm.md 2).

Attribute names are the keys of the authors' checkpoints.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.core.errors import TalkbenchError

Norm = Callable[[int], nn.Module]
instance_norm: Norm = partial(nn.InstanceNorm2d, affine=True)


LIMIT = 20480


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    """Convolution of stride 1 whose result for an image is exactly the same alone and in a batch.

    On the CPU, torch convolves a single input of up to 20480 numbers by another algorithm, whose result differs in the
    last bits. Where a flow leaves the image, that becomes a difference of 3e-5 in the picture.
    """
    if len(x) > 1 or x.numel() > LIMIT or x.device.type != "cpu":
        return F.conv2d(x, weight, bias, padding=padding)
    vertical, horizontal = padding
    padded = F.pad(x, (horizontal, horizontal, vertical, vertical))
    if padded.numel() > LIMIT:  # the padding alone takes it over the limit, at no further cost
        return F.conv2d(padded, weight, bias)
    return F.conv2d(x.expand(2, -1, -1, -1), weight, bias, padding=padding)[:1]


class Conv2d(nn.Conv2d):
    """Convolution of stride 1 by `convolve`."""

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.padding, tuple)
        vertical, horizontal = self.padding
        return convolve(x, self.weight, self.bias, (vertical, horizontal))


class Linear(nn.Linear):
    """Linear layer whose result for an item is exactly the same alone and in a batch, see `convolve`."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 1 and x.device.type == "cpu":
            return super().forward(x.expand(2, -1))[:1]
        return super().forward(x)


class SameBlock(nn.Module):
    """Convolution, norm (batch norm; another in TPSM), ReLU at constant size."""

    def __init__(self, in_features: int, out_features: int, kernel_size: int = 3, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv = Conv2d(in_features, out_features, kernel_size, padding=kernel_size // 2)
        self.norm = norm(out_features)

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

    def __init__(self, features: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = Conv2d(features, features, 3, padding=1)
        self.conv2 = Conv2d(features, features, 3, padding=1)
        self.norm1 = norm(features)
        self.norm2 = norm(features)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(inner)))


def down_blocks(widths: Sequence[int], norm: Norm = nn.BatchNorm2d) -> nn.ModuleList:
    """Down blocks from each of the `widths` to the next."""
    return nn.ModuleList(DownBlock(a, b, norm=norm) for a, b in itertools.pairwise(widths))


def up_blocks(widths: Sequence[int], norm: Norm = nn.BatchNorm2d) -> nn.ModuleList:
    """Up blocks from each of the `widths` to the next."""
    return nn.ModuleList(UpBlock(a, b, norm=norm) for a, b in itertools.pairwise(widths))


def bottleneck(features: int, count: int) -> nn.Sequential:
    """`count` residual blocks in a row, named ``r0``, ``r1``, … as in the checkpoints."""
    stack = nn.Sequential()
    for index in range(count):
        stack.add_module(f"r{index}", ResBlock(features))
    return stack


def skip_decoder(widths: Sequence[int], norm: Norm = nn.BatchNorm2d) -> tuple[nn.ModuleList, nn.ModuleList]:
    """The up blocks, and the residual blocks before them, of a decoder for `decode`
    (docs/specs/mcnet.md 2.3, docs/specs/tpsm.md 2.6).

    Args:
        widths: channels of the encoder's maps, from full size to the deepest.
    """
    # After each up block a skip is concatenated, which doubles the width.
    inputs = [widths[-1], *(2 * width for width in reversed(widths[1:-1]))]
    outputs = reversed(widths[:-1])
    ups = nn.ModuleList(UpBlock(a, b, norm=norm) for a, b in zip(inputs, outputs, strict=True))
    return ups, nn.ModuleList(ResBlock(width, norm) for width in inputs for _ in range(2))


def decode(skips: Sequence[Tensor], ups: nn.ModuleList, residuals: nn.ModuleList) -> Tensor:
    """Decode warped maps, deepest first and without the full-size one, to a full-size map (B, widths[0], H, W)."""
    out = skips[0]
    for index, up in enumerate(ups):
        if index:
            out = torch.cat([out, skips[index]], dim=1)
        out = up(residuals[2 * index + 1](residuals[2 * index](out)))
    return out


@dataclass(frozen=True)
class HourglassConfig:
    """Widths and depth of a U-Net, and the scale of the image that it works on."""

    block_expansion: int
    max_features: int = 1024
    num_blocks: int = 5
    scale_factor: float = 0.25

    @property
    def widths(self) -> list[int]:
        """Channels by depth: the decoder's last output first, the bottom last."""
        return [min(self.max_features, self.block_expansion * 2**depth) for depth in range(self.num_blocks + 1)]


class Encoder(nn.Module):
    """Down blocks: (B, in, H, W) → the input and the outputs of all blocks, each half as large."""

    def __init__(self, in_features: int, config: HourglassConfig, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.down_blocks = down_blocks([in_features, *config.widths[1:]], norm)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [x]
        for down in self.down_blocks:
            maps.append(down(maps[-1]))
        return maps


class _Decoder(nn.Module):
    def __init__(self, config: HourglassConfig, norm: Norm) -> None:
        super().__init__()
        *levels, last = itertools.pairwise(config.widths)
        ups = [UpBlock(last[1], last[0], norm=norm)]
        ups += [UpBlock(2 * below, above, norm=norm) for above, below in reversed(levels)]
        self.up_blocks = nn.ModuleList(ups)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        out, *skips = reversed(skips)
        outs = []
        for up, skip in zip(self.up_blocks, skips, strict=True):
            out = torch.cat([up(out), skip], dim=1)
            outs.append(out)
        return outs


class Hourglass(nn.Module):
    """U-Net whose output ends with its raw input: (B, in, H, W) → (B, block_expansion + in, H, W).

    H and W must be multiples of 2^num_blocks.
    """

    def __init__(self, in_features: int, config: HourglassConfig, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.encoder = Encoder(in_features, config, norm)
        self.decoder = _Decoder(config, norm)
        self.out_features = config.block_expansion + in_features

    def forward(self, x: Tensor) -> Tensor:
        return self.scales(x)[-1]

    def scales(self, x: Tensor) -> list[Tensor]:
        """The decoder's outputs with their skips, from the coarsest to `forward`'s."""
        outs: list[Tensor] = self.decoder(self.encoder(x))
        return outs


class AntiAliasDownsample(nn.Module):
    """Gaussian blur, then every n-th pixel (n = 1/scale): (B, C, H, W) → (B, C, H/n, W/n).

    σ = (n − 1)/2, kernel 2·round(4σ) + 1, zero padding; the constant kernel is part of the authors'
    checkpoints (docs/specs/fomm.md "Block: anti-aliased downsampling"). `scale` must be below 1.
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


RESNET_WIDTH = 64
"""Channels after the first convolution of a ResNet; of the ResNet-18 eight times as many leave it."""


def resnet(layers: int, method: str, channels: int = 3, width: int = RESNET_WIDTH) -> nn.Module:
    """A fresh ResNet of 18 or 50 `layers` for images of `channels` channels.

    Args:
        method: whose part it is, for the error message.
        width: channels after the first convolution. A narrower one has a ResNet-18's layers and no classifier.

    Raises:
        TalkbenchError: torchvision is not installed.
    """
    try:
        from torchvision.models import get_model
        from torchvision.models.resnet import BasicBlock
    except ImportError as error:
        raise TalkbenchError(f"{method} needs torchvision: pip install torchvision") from error
    network: nn.Module = get_model(f"resnet{layers}", weights=None)
    if (channels, width) != (3, RESNET_WIDTH):
        network.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
    if width != RESNET_WIDTH:
        network.bn1, network.fc = nn.BatchNorm2d(width), nn.Identity()
        before = width
        for level in range(4):
            after, stride = width << level, 1 if level == 0 else 2
            shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
            first = BasicBlock(before, after, stride, shortcut if level else None)
            network.set_submodule(f"layer{level + 1}", nn.Sequential(first, BasicBlock(after, after)))
            before = after
    return network
