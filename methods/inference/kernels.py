"""Kernels that stand for a convolution together with what comes before or after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def folded(conv: nn.Conv2d, norm: nn.Module | None) -> tuple[Tensor, Tensor | None]:
    """Kernel and bias of a convolution, of the batch norm after it too if `norm` is one (docs/specs/mcnet.md 9.2)."""
    if not isinstance(norm, nn.BatchNorm2d):
        return conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    statistics = norm.running_mean, norm.running_var, norm.eps
    weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, norm.weight, norm.bias)
    return weight.detach(), bias.detach()


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Factor and shift (C, 1, 1) of a batch norm."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * factor
    return factor.detach()[:, None, None], shift.detach()[:, None, None]


def parities(weight: Tensor) -> Tensor:
    """The 2×2 kernels (4·O, I, 2, 2) that give the four parities (even or odd row, even or odd column) of a map that is
    doubled by nearest neighbours and convolved with 3×3 kernels (O, I, 3, 3) (docs/specs/mcnet.md 9.3)."""
    top, middle, bottom = weight.unbind(2)
    rows = torch.stack([top, middle + bottom], 2), torch.stack([top + middle, bottom], 2)
    kernels = []
    for left, centre, right in (row.unbind(3) for row in rows):
        kernels += [torch.stack([left, centre + right], 3), torch.stack([left + centre, right], 3)]
    return torch.cat(kernels)


def row_kernels(weight: Tensor) -> Tensor:
    """The rows of kernels (O, I, k, k) as kernels of their own, the upper ones first: (k·O, I, 1, k)."""
    return weight.permute(2, 0, 1, 3).flatten(0, 1)[:, :, None].contiguous()


def sum_of_rows(parts: Tensor, rows: int) -> Tensor:
    """The convolution (B, O, H, W) whose kernels' `rows` gave `parts` (B, rows·O, H + rows − 1, W)."""
    height = parts.shape[2] - rows + 1
    first, *others = parts.chunk(rows, dim=1)
    out = first[:, :, :height].clone()
    for row, part in enumerate(others, start=1):
        out += part[:, :, row : row + height]
    return out


def interleaved(parts: Tensor) -> Tensor:
    """The map (B, C, 2H, 2W) whose parities are `parts` (B, 4·C, H + 1, W + 1), of which the even ones use the first
    H rows or W columns and the odd ones the last."""
    batch, channels, height, width = parts.shape[0], parts.shape[1] // 4, parts.shape[2] - 1, parts.shape[3] - 1
    layout = torch.contiguous_format if parts.is_contiguous() else torch.channels_last
    out = torch.empty((batch, channels, 2 * height, 2 * width), dtype=parts.dtype, memory_format=layout)
    for index, part in enumerate(parts.split(channels, dim=1)):
        row, column = divmod(index, 2)
        out[:, :, row::2, column::2] = part[:, :, row : row + height, column : column + width]
    return out
