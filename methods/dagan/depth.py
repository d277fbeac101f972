"""DaGAN's face depth network: a ResNet whose maps a decoder turns into disparity (docs/specs/dagan.md 2.6).

Attribute names are the keys of the authors' files ``encoder.pth`` and ``depth.pth``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import RESNET_WIDTH, resnet

# Channels of the encoder's five maps by the ResNet's layers, and of the decoder's levels; both finest first.
FEATURES = {18: (64, 64, 128, 256, 512), 50: (64, 256, 512, 1024, 2048)}
WIDTHS = (16, 32, 64, 128, 256)


class DepthEncoder(nn.Module):
    """Images (B, 3, H, W) in [0, 1] → five maps of 1/2, 1/4, … 1/32 of their size.

    Args:
        layers: number of the ResNet's layers, 18 or 50. Its classifier is never run, but the authors' files hold it.
        width: see `resnet`.
    """

    def __init__(self, layers: int, width: int = RESNET_WIDTH) -> None:
        super().__init__()
        self.encoder = resnet(layers, "dagan", width=width)

    def forward(self, images: Tensor) -> list[Tensor]:
        net: Any = self.encoder  # whose parts are modules
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

    Args:
        layers, width: those of the encoder.
    """

    def __init__(self, layers: int, width: int = RESNET_WIDTH) -> None:
        super().__init__()
        features, widths = ([own * width // RESNET_WIDTH for own in full] for full in (FEATURES[layers], WIDTHS))
        convs: list[nn.Module] = []
        before = features[-1]
        for channels, skip in zip(reversed(widths), (*reversed(features[:-1]), 0), strict=True):
            convs += [_ELUConv(before, channels), _ELUConv(channels + skip, channels)]
            before = channels
        self.decoder = nn.ModuleList([*convs, *(_Conv(channels, 1) for channels in widths[:-1])])

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, out = maps
        for level, skip in enumerate((*reversed(skips), None)):
            out = F.interpolate(self.decoder[2 * level](out), scale_factor=2.0, mode="nearest")
            out = self.decoder[2 * level + 1](out if skip is None else torch.cat([out, skip], dim=1))
        return self.decoder[2 * len(WIDTHS)](out).float().sigmoid()
