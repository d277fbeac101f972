"""MCNet's memory unit: identity-conditioned meta memory (IICM) and compensation by attention (MCM).

docs/specs/mcnet.md 2.4; its variants: docs/specs/mcnet.md 8; the equivalent cheaper forms (docs/specs/mcnet.md 9.3) for
the identity code, the modulated convolution, the query and ``diff_conv``. Attribute names are the checkpoint's keys.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.attention import attend
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method, Motion, Source
from talkbench.methods.mcnet.parts import (
    DynamicConv,
    OddChannels,
    PooledFeature,
    Positions,
    Share,
    StaticConv,
    StyleInput,
)

ATTENTION_SCALE = 0.25  # of the attention logits, at any width (docs/specs/mcnet.md 2.4)


@dataclass(frozen=True)
class MemoryConfig:
    """The parts of the memory unit; the defaults are the paper's.

    Attributes:
        channels, side: size of the meta memory (C_m × side × side).
        share: the channels of a map that are compensated.
        style: the inputs of the identity code that the meta memory is conditioned on (IICM); empty: no conditioning.
        convolution, padding: the convolution that computes the memory's key and value; padding 0 leaves the border out.
        deepest_only: compensate the deepest map alone.
    """

    channels: int = 512
    side: int = 32
    share: Share = field(default_factory=OddChannels)
    style: tuple[StyleInput, ...] = (PooledFeature(), Positions())
    convolution: type[DynamicConv | StaticConv] = DynamicConv
    padding: int = 1
    deepest_only: bool = False

    @property
    def conditioned(self) -> bool:
        """Whether the memory is conditioned on the identity; only then it has noise."""
        return bool(self.style)


@dataclass(frozen=True)
class Compensation:
    """Output of one call: `output` (B, C, s, s); `feature` F (B, C_m, s, s); `memory`, `key` and `value`
    (B, C_m, m, m); `query` (B, C_m, s, s)."""

    output: Tensor
    feature: Tensor
    memory: Tensor
    key: Tensor
    value: Tensor
    query: Tensor

    def attention(self) -> Tensor:
        """The weight of each position of the memory in each position of the map, both row by row: (B, s², m²); rows add
        up to 1.

        For inspection only: the unit itself never holds it, and at the largest level of a full-size image it is 64 MiB.
        """
        logits = self.query.float().flatten(2).mT @ self.key.float().flatten(2)
        return (ATTENTION_SCALE * logits).softmax(-1)


@dataclass(frozen=True)
class MemoryInside(Inside):
    """Also holds the memory unit's outputs for these faces, by the side of the compensated map, deepest first."""

    compensations: Mapping[int, Compensation] = field(default_factory=dict)


class MemoryMethod(Method[Source, Motion]):
    """A method with a memory of faces that can be inspected."""

    @abstractmethod
    def memory(self) -> Tensor | None:
        """The learned memory of all faces, (1, C, m, m); None in a configuration without memory."""

    @abstractmethod
    def inspect(self, images: Tensor, source: Source, motion: Motion) -> MemoryInside:
        """See `Method.inspect`; without memory there are no compensations."""


class EqualLinear(nn.Module):
    """Linear layer whose weights are scaled by 1/√fan-in when used (equalised learning rate)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, features))
        self.bias = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight / self.weight.shape[1] ** 0.5, self.bias)


class ModulatedConv(nn.Module):
    """3×3 convolution of one shared map with kernels scaled per sample and demodulated.

    ``forward(memory (1, C, m, m), style (B, C)) -> (B, C, m, m)``. Scaling the input channels and then
    the output channels around the shared kernel equals one kernel per sample (docs/specs/mcnet.md 9.3).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, channels, 3, 3))
        self.modulation = EqualLinear(channels)

    def forward(self, memory: Tensor, style: Tensor) -> Tensor:
        scale = self.modulation(style)
        weight = self.weight[0] / (self.weight[0][0].numel() ** 0.5)
        power = scale.square() @ weight.square().sum((2, 3)).T
        out = F.conv2d(memory * scale[:, :, None, None], weight, padding=1)
        return out * (power + 1e-8).rsqrt()[:, :, None, None]


class _Bias(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class StyleConv(nn.Module):
    """Modulated convolution, noise of a learned strength, bias, √2 · leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))  # the noise strength
        self.modulated_conv = ModulatedConv(channels)
        self.activate = _Bias(channels)

    def forward(self, memory: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        out = self.modulated_conv(memory, style)
        if noise is not None:
            out = out + self.weight * noise
        return 2**0.5 * F.leaky_relu(out + self.activate.bias[:, None, None], 0.2)


class MemoryUnit(nn.Module):
    """Compensates warped feature maps from a learned memory of faces.

    Args:
        config: see `MemoryConfig`.
        levels: side of each compensated map at the network's resolution → its channels; the side
            names the level's parameters, as in the checkpoint.
        num_kp: number of source keypoints in the identity code.
    """

    def __init__(self, config: MemoryConfig, levels: dict[int, int], num_kp: int) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        bound = (6 / (channels * config.side**2)) ** 0.5
        self.mb = nn.Parameter(torch.empty(1, channels, config.side, config.side).uniform_(-bound, bound))
        widths = {side: config.share.count(width) for side, width in levels.items()}
        for side, width in widths.items():
            self.add_module(f"feat_forward_proj_{side}", nn.Conv2d(width, channels, 1))
        self.query_conv = nn.Conv2d(channels, channels, 1)
        self.conv_kv = config.convolution(channels, config.padding)
        self.diff_conv = nn.Conv2d(channels, channels, 1)
        for side, width in widths.items():
            self.add_module(f"conv_{side}", nn.Conv2d(channels, width, 3, padding=1))
            self.add_module(f"norm_{side}", nn.InstanceNorm2d(width, affine=True))
        if config.conditioned:
            style_in = sum(part.size(channels, num_kp) for part in config.style)
            self.style_route = nn.Sequential(nn.Linear(style_in, 128), nn.ReLU(), nn.Linear(128, channels))
            self.styleconv = StyleConv(channels)

    def forward(self, level: int, warped: Tensor, keypoints: Tensor, noise: Tensor | None = None) -> Compensation:
        """Compensate one warped, occluded map.

        Args:
            level: name of the level (a key of `levels`).
            warped: (B, C, s, s).
            keypoints: of the source, (B, K, 2).
            noise: (B or 1, 1, side, side) standard normal, or None for none.
        """
        feature, query, difference = self._project(level, self.config.share.take(warped))
        pooled = feature.mean((2, 3))
        memory = self._condition(pooled, keypoints, noise)
        key, value = F.relu(self.conv_kv(memory, pooled)).chunk(2, dim=1)
        # diff_conv is linear: applied to the values instead of to the s² results (docs/specs/mcnet.md 9.3).
        residual = attend(query, key, F.conv2d(value, self.diff_conv.weight), scale=ATTENTION_SCALE)
        compensated = F.relu(difference - residual) + feature
        out = F.relu(self.get_submodule(f"norm_{level}")(self._layer("conv", level)(compensated)))
        return Compensation(self.config.share.put(warped, out), feature, memory, key, value, query)

    def _project(self, level: int, part: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F, ReLU(query_conv(F)) and diff_conv(F) as one 1×1 convolution of the input: the products of
        the consecutive 1×1 kernels are far smaller than the maps (docs/specs/mcnet.md 9.3)."""
        project = self._layer("feat_forward_proj", level)
        assert project.bias is not None
        inner = torch.cat([project.weight.flatten(1), project.bias[:, None]], dim=1)  # the bias as a last column
        weights = [inner]
        for outer in (self.query_conv, self.diff_conv):
            assert outer.bias is not None
            composed = outer.weight.flatten(1) @ inner
            weights.append(composed + F.pad(outer.bias[:, None], (inner.shape[1] - 1, 0)))
        joined = torch.cat(weights)
        joined = F.conv2d(part, joined[:, :-1, None, None], joined[:, -1])
        feature, query, difference = joined.chunk(3, dim=1)
        return feature, F.relu(query), difference

    def _layer(self, name: str, level: int) -> nn.Conv2d:
        layer = self.get_submodule(f"{name}_{level}")
        assert isinstance(layer, nn.Conv2d)
        return layer

    def _condition(self, pooled: Tensor, keypoints: Tensor, noise: Tensor | None) -> Tensor:
        if not self.config.conditioned:
            return self.mb.expand(len(pooled), -1, -1, -1)
        style = self.style_route(torch.cat([part(pooled, keypoints) for part in self.config.style], dim=1))
        return self.styleconv(self.mb, style, noise)
