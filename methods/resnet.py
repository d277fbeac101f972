"""torchvision's ResNets as parts of methods, which small models have at a fraction of their width."""

from __future__ import annotations

from torch import nn

from talkbench.core.errors import TalkbenchError

WIDTH = 64
"""Channels after the first convolution of a ResNet; of the ResNet-18 eight times as many leave it."""


def resnet(layers: int, method: str, channels: int = 3, width: int = WIDTH) -> nn.Module:
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
    if (channels, width) != (3, WIDTH):
        network.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
    if width != WIDTH:
        network.bn1, network.fc = nn.BatchNorm2d(width), nn.Identity()
        before = width
        for level in range(4):
            after, stride = width << level, 1 if level == 0 else 2
            shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
            first = BasicBlock(before, after, stride, shortcut if level else None)
            network.set_submodule(f"layer{level + 1}", nn.Sequential(first, BasicBlock(after, after)))
            before = after
    return network
