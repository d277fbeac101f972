"""OpenFace's network nn4.small2, which embeds a face (docs/specs/evaluation.md 3.6)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Branches side by side, concatenated: 3x3, 5x5, pool, 1x1. The smaller results are padded with zeros.

    Args:
        inputs: channels.
        three: channels of the 3x3 branch, after its reduction and at its end.
        five: channels of the 5x5 branch, likewise; None: there is none.
        pool: what the pool branch starts with.
        projected: channels of the pool branch; None: as many as come in.
        one: channels of the 1x1 branch; None: there is none.
        stride: of the 3x3 and 5x5 convolutions.
    """

    def __init__(
        self,
        inputs: int,
        three: tuple[int, int],
        five: tuple[int, int] | None,
        pool: nn.Module,
        projected: int | None,
        one: int | None,
        stride: int = 1,
    ) -> None:
        super().__init__()
        branches = [{**_convolution(1, inputs, three[0], 1), **_convolution(4, *three, 3, stride)}]
        if five:
            branches.append({**_convolution(1, inputs, five[0], 1), **_convolution(4, *five, 5, stride)})
        branches.append({"1_pool": pool, **(_convolution(2, inputs, projected, 1) if projected else {})})
        if one:
            branches.append(_convolution(1, inputs, one, 1))
        self.seq_list = nn.ModuleList(nn.Sequential(OrderedDict(branch)) for branch in branches)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [branch(x) for branch in self.seq_list]
        height, width = (max(output.shape[axis] for output in outputs) for axis in (2, 3))
        return torch.cat([_padded(output, height, width) for output in outputs], dim=1)


def _convolution(first: int, inputs: int, outputs: int, kernel: int, stride: int = 1) -> dict[str, nn.Module]:
    """Convolution, batch normalisation and ReLU under the names that the weight file has for them."""
    return {
        f"{first}_conv": nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2),
        f"{first + 1}_bn": nn.BatchNorm2d(outputs),
        f"{first + 2}_relu": nn.ReLU(),
    }


def _padded(x: Tensor, height: int, width: int) -> Tensor:
    rows, columns = height - x.shape[2], width - x.shape[3]
    return functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def _largest() -> nn.Module:
    return nn.MaxPool2d(3, stride=2)


def _root_of_squares() -> nn.Module:
    return nn.LPPool2d(2, 3, stride=3)


class NN4Small2(nn.Module):
    """nn4.small2: BGR images (B, 3, 96, 96) in [0, 1] to embeddings (B, 128), not normalised, and what its last layer
    takes, (B, 736). The layers' numbers are those of the weight file, hence the gaps."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.layer2 = nn.BatchNorm2d(64)
        self.layer6 = nn.Conv2d(64, 64, 1)
        self.layer7 = nn.BatchNorm2d(64)
        self.layer9 = nn.Conv2d(64, 192, 3, padding=1)
        self.layer10 = nn.BatchNorm2d(192)
        self.layer14 = Block(192, (96, 128), (16, 32), _largest(), 32, 64)
        self.layer15 = Block(256, (96, 128), (32, 64), _root_of_squares(), 64, 64)
        self.layer16 = Block(320, (128, 256), (32, 64), _largest(), None, None, stride=2)
        self.layer17 = Block(640, (96, 192), (32, 64), _root_of_squares(), 128, 256)
        self.layer18 = Block(640, (160, 256), (64, 128), _largest(), None, None, stride=2)
        self.layer19 = Block(1024, (96, 384), None, _root_of_squares(), 96, 256)
        self.layer21 = Block(736, (96, 384), None, _largest(), 96, 256)
        self.layer25 = nn.Linear(736, 128)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu(self.layer2(self.layer1(x)))
        x = _cross_channel(functional.max_pool2d(x, 3, stride=2, padding=1))  # (B, 64, 24, 24)
        x = functional.relu(self.layer7(self.layer6(x)))
        x = _cross_channel(functional.relu(self.layer10(self.layer9(x))))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)  # (B, 192, 12, 12)
        x = self.layer16(self.layer15(self.layer14(x)))  # (B, 640, 6, 6)
        x = self.layer18(self.layer17(x))  # (B, 1024, 3, 3)
        x = self.layer21(self.layer19(x))  # (B, 736, 3, 3)
        pooled = functional.avg_pool2d(x, 3).flatten(1)  # (B, 736)
        return self.layer25(pooled), pooled


def _cross_channel(x: Tensor) -> Tensor:
    """Local response normalisation."""
    return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1)
