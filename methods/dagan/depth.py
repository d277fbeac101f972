"""DaGAN's face depth network: a ResNet whose maps a decoder turns into disparity (docs/specs/dagan.md 2.6).

Attribute names are the keys of the authors' files ``encoder.pth`` and ``depth.pth``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.core.errors import TalkbenchError

# Channels of the encoder's five maps by the ResNet's layers, and of the decoder's levels; both finest first.
FEATURES = {18: (64, 64, 128, 256, 512), 50: (64, 256, 512, 1024, 2048)}
WIDTHS = (16, 32, 64, 128, 256)


class DepthEncoder(nn.Module):
    """Images (B, 3, H, W) in [0, 1] → five maps of 1/2, 1/4, … 1/32 of their size.

    Args:
        layers: number of the ResNet's layers, 18 or 50. Its classifier is never run, but the authors' files hold it.

    Raises:
        TalkbenchError: torchvision, whose ResNets these are, is not installed.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        try:
            from torchvision.models import get_model
        except ImportError as error:
            raise TalkbenchError("dagan needs torchvision: pip install torchvision") from error
        self.encoder = get_model(f"resnet{layers}", weights=None)

    def forward(self, images: Tensor) -> list[Tensor]:
        net = self.encoder
        scaled = (images - 0.45) / 0.225  # one mean and deviation for all channels, unlike ImageNet's
        maps = [net.relu(net.bn1(net.conv1(scaled)))]
        maps.append(net.layer1(net.maxpool(maps[-1])))
        for layer in (net.layer2, net.layer3, net.layer4):
            maps.append(layer(maps[-1]))
        return maps


class _Conv(nn.Module):
    """3×3 convolution of the map mirrored at its rim."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _ELUConv(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.conv = _Conv(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.conv(x))


class DepthDecoder(nn.Module):
    """The encoder's maps → disparity (B, 1, H, W) in (0, 1), which DaGAN calls depth and uses as it is.

    ``decoder`` holds two convolutions per level from the coarsest on, before and after the map is doubled,
    then the disparity heads of the four finest levels, of which only the finest (number 10) is run.
    """

    def __init__(self, features: Sequence[int]) -> None:
        super().__init__()
        convs: list[nn.Module] = []
        before = features[-1]
        for width, skip in zip(reversed(WIDTHS), (*reversed(features[:-1]), 0), strict=True):
            convs += [_ELUConv(before, width), _ELUConv(width + skip, width)]
            before = width
        self.decoder = nn.ModuleList([*convs, *(_Conv(width, 1) for width in WIDTHS[:-1])])

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, out = maps
        for level, skip in enumerate((*reversed(skips), None)):
            out = F.interpolate(self.decoder[2 * level](out), scale_factor=2.0, mode="nearest")
            out = self.decoder[2 * level + 1](out if skip is None else torch.cat([out, skip], dim=1))
        return self.decoder[2 * len(WIDTHS)](out).float().sigmoid()
