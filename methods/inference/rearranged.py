"""The modules that have an inference form, and what computes each: equal in real arithmetic, borders included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import Conv2d, DownBlock, ResBlock, SameBlock, UpBlock, convolve
from talkbench.methods.inference.enlarged import spade
from talkbench.methods.inference.kernels import affine, folded, interleaved, parities, row_kernels, sum_of_rows
from talkbench.methods.inference.operators import PackedConv
from talkbench.methods.spade import SPADE

Forward = Callable[..., Tensor]

VECTORS = 32
"""Results that two vectors of a processor hold."""


def split_up(block: UpBlock) -> Forward:
    """One 2×2 convolution of the small map in place of a 3×3 one of the doubled map: 4/9 of the multiplications."""
    weight, bias = _split(block)
    norm = nn.Identity() if isinstance(block.norm, nn.BatchNorm2d) else block.norm

    def forward(x: Tensor) -> Tensor:
        out: Tensor = norm(interleaved(convolve(x, weight, bias, (1, 1))))
        return F.relu_(out)

    return forward


def _split(block: UpBlock) -> tuple[Tensor, Tensor | None]:
    weight, bias = folded(block.conv, block.norm)
    return parities(weight), None if bias is None else bias.repeat(4)


def packed_up(block: UpBlock) -> Forward:
    """`split_up`, packed."""
    if not isinstance(block.norm, nn.BatchNorm2d):
        return split_up(block)
    shape = nn.Conv2d(1, 1, 2, padding=1)
    conv = PackedConv(shape, partial(_split, block), "relu")
    return lambda x: interleaved(conv(x))


def packed_same(block: SameBlock) -> Forward | None:
    return _packed(block.conv, block.norm, "relu") if isinstance(block.norm, nn.BatchNorm2d) else None


def packed_down(block: DownBlock) -> Forward | None:
    conv = packed_same(block)
    return conv and (lambda x: F.avg_pool2d(conv(x), 2))


def packed_residual(block: ResBlock) -> Forward | None:
    if not (isinstance(block.norm1, nn.BatchNorm2d) and isinstance(block.norm2, nn.BatchNorm2d)):
        return None
    factor, shift = affine(block.norm1)
    first, second = _packed(block.conv1, block.norm2, "relu"), _packed(block.conv2)
    return lambda x: second(first(F.relu_(torch.addcmul(shift, x, factor))), x)


def packed_resnet_block(block: Any) -> Forward:
    """Of torchvision's BasicBlock (two convolutions) and Bottleneck (three)."""
    numbers = [number for number in (1, 2, 3) if hasattr(block, f"conv{number}")]
    *convs, last = [
        _packed(getattr(block, f"conv{number}"), getattr(block, f"bn{number}"), "relu") for number in numbers
    ]
    shortcut = _packed(*block.downsample) if block.downsample is not None else nn.Identity()

    def forward(x: Tensor) -> Tensor:
        out = x
        for conv in convs:
            out = conv(out)
        return last(out, shortcut(x))

    return forward


def by_rows(conv: nn.Conv2d) -> Forward | None:
    """A convolution with few results as one with a result for each row of its kernels, which fill the processor's
    vectors; the results are then added up."""
    if not _suits_rows(conv):
        return None
    weight, (rows, columns) = row_kernels(conv.weight.detach()), conv.kernel_size
    padding = rows // 2, columns // 2
    return lambda x: _biased(sum_of_rows(convolve(x, weight, None, padding), rows), conv.bias)


def packed_conv(conv: nn.Conv2d) -> Forward | None:
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return None
    if not _suits_rows(conv):
        return _packed(conv)
    rows = PackedConv(conv, lambda: (row_kernels(conv.weight.detach()), None))
    return lambda x: _biased(sum_of_rows(rows(x), conv.kernel_size[0]), conv.bias)


def _suits_rows(conv: nn.Conv2d) -> bool:
    height, width = conv.kernel_size
    usual = conv.padding_mode == "zeros" and (conv.stride, conv.dilation, conv.groups) == ((1, 1), (1, 1), 1)
    return usual and conv.padding == (height // 2, width // 2) and height >= 7 and conv.out_channels * height <= VECTORS


def _biased(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x.add_(bias[:, None, None])


def _packed(conv: nn.Conv2d, norm: nn.Module | None = None, activation: str = "none") -> PackedConv:
    return PackedConv(conv, partial(folded, conv, norm), activation)


PLAIN: dict[type[nn.Module] | str, Callable[[Any], Forward | None]] = {
    UpBlock: split_up,
    Conv2d: by_rows,
    nn.Conv2d: by_rows,
    SPADE: spade,
}
"""The forms that pay by themselves, in whatever layout the maps have."""

PACKED: dict[type[nn.Module] | str, Callable[[Any], Forward | None]] = {
    UpBlock: packed_up,
    SameBlock: packed_same,
    DownBlock: packed_down,
    ResBlock: packed_residual,
    Conv2d: packed_conv,
    nn.Conv2d: packed_conv,
    "torchvision.models.resnet.BasicBlock": packed_resnet_block,
    "torchvision.models.resnet.Bottleneck": packed_resnet_block,
}
"""The forms of packed convolutions, torchvision's by their names: its import takes a second."""
