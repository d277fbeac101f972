"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation and with ReLU6)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

BLOCKS = (
    *((3, 1, 1, 32, 16), (3, 2, 6, 16, 24), (3, 1, 6, 24, 24), (5, 2, 6, 24, 40), (5, 1, 6, 40, 40)),
    *((3, 2, 6, 40, 80), (3, 1, 6, 80, 80), (3, 1, 6, 80, 80), (5, 1, 6, 80, 112), (5, 1, 6, 112, 112)),
    *((5, 1, 6, 112, 112), (5, 2, 6, 112, 192), *((5, 1, 6, 192, 192),) * 3, (3, 1, 6, 192, 320)),
)
"""Kernel, stride, expansion, channels in and out of each block."""

EPSILON = 1e-3
"""Of batch normalisation, as TensorFlow's networks have it."""


class Convolution(nn.Conv2d):
    """A convolution without bias whose result has the input's size over the stride, rounded up, as TensorFlow pads: the
    odd row or column of zeros is below or to the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, right = (max(0, (-(-size // stride) - 1) * stride + kernel - size) for size in x.shape[2:])
        return super().forward(functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2)))


class Block(nn.Module):
    """Wider by a 1x1 convolution, filtered channel by channel, narrower by another; the names are the file's."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv: nn.Module = Convolution(inputs, inner, 1)
            self._bn0: nn.Module = nn.BatchNorm2d(inner, EPSILON)
        self.expands, self.adds = expansion > 1, stride == 1 and inputs == outputs
        self._depthwise_conv = Convolution(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, EPSILON)
        self._project_conv = Convolution(inner, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Images (B, 3, H, W) to features (B, 1280): the mean over positions of what the classifier `_fc` takes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = Convolution(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, EPSILON)
        self._blocks = nn.ModuleList(Block(*sizes) for sizes in BLOCKS)
        self._conv_head = Convolution(320, 1280, 1)
        self._bn1 = nn.BatchNorm2d(1280, EPSILON)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return functional.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))
