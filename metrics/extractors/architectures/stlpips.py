"""The networks of shift-tolerant LPIPS: AlexNet and VGG16 whose strides are dense steps and a blur after them, with the
heads that weigh their channels (docs/specs/registry-models.md 3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-10
"""Added to the length of a feature vector before it is divided by it."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of LPIPS' colours, images being in [-1, 1]; the file has both."""


class Blur(nn.Module):
    """Halves the size: each channel filtered by the file's 3x3 kernel at every other position of the image, which is
    mirrored by two pixels at its borders."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", torch.zeros(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.get_buffer("filt")
        return functional.conv2d(functional.pad(x, (2, 2, 2, 2), "reflect"), kernel, stride=2, groups=x.shape[1])


def alexnet() -> list[list[nn.Module]]:
    """The layers of AlexNet, in slices that each give features."""
    return [
        [nn.Conv2d(3, 64, 11, padding=2), Blur(64), nn.ReLU()],
        [nn.MaxPool2d(3, 1), Blur(64), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()],
        [nn.MaxPool2d(3, 1), Blur(192), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()],
        [nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()],
        [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
    ]


def vgg16() -> list[list[nn.Module]]:
    """The layers of VGG16, in slices that each give features."""
    slices: list[list[nn.Module]] = []
    inputs = 3
    for outputs, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers: list[nn.Module] = [nn.MaxPool2d(2, 1), Blur(inputs)] if slices else []
        for _ in range(convolutions):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        slices.append(layers)
    return slices


class StLpips(nn.Module):
    """Images in [0, 1], (B, 3, H, W) twice, to the terms (B, 5) whose sum is the distance: of each slice's features at
    unit length, the squared differences of the channels weighted by a head, mean over positions.

    The names of modules are those of the weight file, where layers are numbered through all slices.

    Args:
        slices: the trunk, from `alexnet` or `vgg16`.
    """

    def __init__(self, slices: Sequence[Sequence[nn.Module]]) -> None:
        super().__init__()
        number = count()
        self.net, self.scaling_layer = nn.Module(), nn.Module()
        for name, values in (("shift", SHIFT), ("scale", SCALE)):
            self.scaling_layer.register_buffer(name, torch.tensor(values)[None, :, None, None])
        for place, layers in enumerate(slices):
            numbered = nn.Sequential()
            for layer in layers:
                numbered.add_module(str(next(number)), layer)
            self.net.add_module(f"slice{place + 1}", numbered)
            channels = [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)][-1]
            head = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))
            self.add_module(f"lin{place}", nn.ModuleDict({"model": head}))
        self.depth = len(slices)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        shift, scale = self.scaling_layer.get_buffer("shift"), self.scaling_layer.get_buffer("scale")
        x = (2 * torch.cat([a, b]) - 1 - shift) / scale
        terms = []
        for place in range(self.depth):
            x = self.net.get_submodule(f"slice{place + 1}")(x)
            of_a, of_b = (x / (x.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)).chunk(2)
            head = self.get_submodule(f"lin{place}.model")
            terms.append(head((of_a - of_b).square()).mean(dim=(1, 2, 3)))
        return torch.stack(terms, dim=1)
