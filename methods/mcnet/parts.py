"""The parts of MCNet's memory unit, and those that replace them in ablations (docs/specs/mcnet.md 2.4, 8).

Attribute names of modules are the checkpoint's keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Share(Protocol):
    """Which channels of a warped map are compensated."""

    def count(self, width: int) -> int:
        """How many of `width` channels."""

    def take(self, warped: Tensor) -> Tensor:
        """These channels alone: (B, C, s, s) → (B, count(C), s, s)."""

    def put(self, warped: Tensor, compensated: Tensor) -> Tensor:
        """The map (B, C, s, s) with these channels replaced by `compensated`."""


@dataclass(frozen=True)
class OddChannels:
    """Every other channel; the even ones stay as they are (Eq. 3)."""

    def count(self, width: int) -> int:
        return width // 2

    def take(self, warped: Tensor) -> Tensor:
        return warped[:, 1::2]

    def put(self, warped: Tensor, compensated: Tensor) -> Tensor:
        return torch.stack([warped[:, 0::2], compensated], dim=2).flatten(1, 2)


@dataclass(frozen=True)
class AllChannels:
    """The whole map."""

    def count(self, width: int) -> int:
        return width

    def take(self, warped: Tensor) -> Tensor:
        return warped

    def put(self, warped: Tensor, compensated: Tensor) -> Tensor:
        return compensated


class StyleInput(Protocol):
    """One of the inputs of the identity code."""

    def size(self, channels: int, num_kp: int) -> int:
        """The number of its values, for a memory of `channels` channels and `num_kp` keypoints."""

    def __call__(self, pooled: Tensor, keypoints: Tensor) -> Tensor:
        """Its values (B, size), from the mean feature (B, C_m) and the source's keypoints (B, K, 2)."""


@dataclass(frozen=True)
class PooledFeature:
    """The mean of the projected feature over the map."""

    def size(self, channels: int, num_kp: int) -> int:
        return channels

    def __call__(self, pooled: Tensor, keypoints: Tensor) -> Tensor:
        return pooled


@dataclass(frozen=True)
class Positions:
    """The source's keypoints, with `frequencies` of positional encoding."""

    frequencies: int = 0

    def size(self, channels: int, num_kp: int) -> int:
        return num_kp * (2 + 4 * self.frequencies)

    def __call__(self, pooled: Tensor, keypoints: Tensor) -> Tensor:
        return encode_positions(keypoints, self.frequencies).flatten(1)


def encode_positions(keypoints: Tensor, frequencies: int) -> Tensor:
    """(B, K, 2) → (B, K, 2 + 4·frequencies): [v, sin v, cos v, sin 2v, cos 2v, …], no factor π
    (docs/specs/mcnet.md 8)."""
    parts = [keypoints]
    for power in range(frequencies):
        angle = keypoints * 2**power
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=-1)


class _KernelAttention(nn.Module):
    """(B, C, 1, 1) → mixture of the kernels (B, 4); the temperature 34 is a constant of the authors' class."""

    def __init__(self, channels: int, kernels: int) -> None:
        super().__init__()
        hidden = channels // 4 + 1
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, kernels, 1)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        assert self.fc2.bias is not None
        nn.init.zeros_(self.fc2.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        return (self.fc2(F.relu(self.fc1(pooled))).flatten(1) / 34).softmax(1)


class DynamicConv(nn.Module):
    """3×3 convolution whose kernel is mixed per sample from four, C → 2C channels."""

    def __init__(self, channels: int, padding: int, kernels: int = 4) -> None:
        super().__init__()
        self.padding = padding
        bound = (6 / (channels * 9)) ** 0.5
        self.weight = nn.Parameter(torch.empty(kernels, 2 * channels, channels, 3, 3).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(kernels, 2 * channels))
        self.attention = _KernelAttention(channels, kernels)

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        mixture = self.attention(pooled[:, :, None, None])
        weight = torch.einsum("bk,koihw->boihw", mixture, self.weight)
        bias = mixture @ self.bias
        convolve = product_convolution if x.is_cuda else grouped_convolution
        return convolve(x, weight, bias, self.padding)


def grouped_convolution(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """Each map of `x` (B, C, h, w) convolved with its own kernel (B, O, C, 3, 3) and bias (B, O), as one convolution of
    B groups."""
    joined = x.reshape(1, -1, *x.shape[2:])
    out = F.conv2d(joined, weight.flatten(0, 1), bias.flatten(), padding=padding, groups=len(x))
    return out.view(len(x), -1, *out.shape[2:])


def product_convolution(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """As `grouped_convolution`, as one product of B matrices: GPUs have fast kernels for that, and slow ones for as
    many groups as samples."""
    height, width = (side + 2 * padding - 2 for side in x.shape[2:])
    patches = F.unfold(x, 3, padding=padding)  # (B, 9 C, h w)
    return torch.baddbmm(bias[:, :, None], weight.flatten(2), patches).unflatten(2, (height, width))


class StaticConv(nn.Conv2d):
    """A substitute for `DynamicConv` with one kernel for all samples."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__(channels, 2 * channels, 3, padding=padding)

    def forward(self, x: Tensor, pooled: Tensor | None = None) -> Tensor:
        return super().forward(x)
