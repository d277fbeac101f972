"""Animation via disentanglement: the network that keeps the source's shape under the driver's motion.

MRAA introduced it, and TPSM adopted it (docs/specs/mraa.md 2.7, docs/specs/tpsm.md 2.7).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from talkbench.methods.blocks import Linear

WIDTHS = (256, 512, 1024)


class AVDNetwork(nn.Module):
    """Descriptions of the source and of the driver, (B, `features`) each → that of the source in the driver's pose.

    Args:
        bottleneck: length of the source's code and of the driver's, which lie between encoders and decoder.
    """

    def __init__(self, features: int, bottleneck: int) -> None:
        super().__init__()
        self.id_encoder = _perceptron([features, *WIDTHS, bottleneck])
        self.pose_encoder = _perceptron([features, *WIDTHS, bottleneck])
        self.decoder = _perceptron([2 * bottleneck, *reversed(WIDTHS), features])

    def forward(self, identity: Tensor, pose: Tensor) -> Tensor:
        return self.combine(self.id_encoder(identity), pose)

    def combine(self, code: Tensor, pose: Tensor) -> Tensor:
        """`forward` with the source's `code` from `id_encoder`, which serves all driving frames."""
        out: Tensor = self.decoder(torch.cat([self.pose_encoder(pose), code], dim=1))
        return out


def _perceptron(widths: list[int]) -> nn.Sequential:
    """Linear layers, each but the last followed by batch norm and ReLU."""
    *hidden, last = itertools.pairwise(widths)
    stack = nn.Sequential()
    for inputs, outputs in hidden:
        stack.extend([Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()])
    return stack.append(Linear(*last))
