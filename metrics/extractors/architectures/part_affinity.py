"""The part-affinity network that sees the joints of a body (Cao et al., CVPR 2017; docs/specs/evaluation.md 3.5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FIELDS, HEAT, STAGES = 38, 19, 6
"""Channels of the fields (two for each of 19 limbs), channels of the heat maps (18 joints and the background), and how
often both are estimated."""


class PartAffinity(nn.Module):
    """The two-branch network: ten layers of VGG19 and two more give features, six stages refine both maps.

    Keys: ``model0`` (features), ``model<stage>_1`` (fields), ``model<stage>_2`` (heat maps), numbered with the
    activations and pools between the convolutions, as in the published ``pose_model.pth``. 52,311,446 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model0 = _convolutions(3, *(64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 256, 128))
        for branch, out in ((1, FIELDS), (2, HEAT)):
            self.add_module(f"model1_{branch}", _branch(128, 3, (128, 128, 128), 512, out))
            for stage in range(2, STAGES + 1):
                self.add_module(f"model{stage}_{branch}", _branch(128 + FIELDS + HEAT, 7, (128,) * 5, 128, out))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """BGR (B, 3, H, W), ``x / 256 - 0.5`` of x in 0..255, to fields (B, 38, H/8, W/8) and heat (B, 19, H/8, W/8).

        H and W are multiples of 8.
        """
        features = self.model0(images)
        inputs = features
        for stage in range(1, STAGES + 1):
            fields, heat = (self.get_submodule(f"model{stage}_{branch}")(inputs) for branch in (1, 2))
            inputs = torch.cat([fields, heat, features], 1)
        return fields, heat


def _convolutions(channels: int, *widths: int, kernel: int = 3) -> nn.Sequential:
    """One convolution with its activation for each of `widths`; 0 stands for a pool that halves the sides."""
    layers: list[nn.Module] = []
    for width in widths:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
            channels = width
    return nn.Sequential(*layers)


def _branch(channels: int, kernel: int, widths: Sequence[int], hidden: int, out: int) -> nn.Sequential:
    head = nn.Conv2d(widths[-1], hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, out, 1)
    return nn.Sequential(*_convolutions(channels, *widths, kernel=kernel), *head)
