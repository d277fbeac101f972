"""Spatially adaptive norms whose labels are smaller than the map: most of what is convolved is the same number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.spade import SPADE


@dataclass(frozen=True)
class _Phases:
    """Pixels of an enlarged map, by axis, that see the same pixels of the small one."""

    taps: list[list[int]]  # the taps of the 3×3 kernel that fall on each of these pixels
    before: int  # 1: they begin with the pixel before
    places: list[int]  # within an enlarged pixel


def _phases(factor: int) -> list[_Phases]:
    first, last = _Phases([[0], [1, 2]], 1, [0]), _Phases([[0, 1], [2]], 0, [factor - 1])
    middle = _Phases([[0, 1, 2]], 0, list(range(1, factor - 1)))
    return [first, middle, last] if factor > 2 else [first, last]


def _summed(weight: Tensor, taps: list[list[int]], dim: int) -> Tensor:
    return torch.stack([sum(weight.select(dim, tap) for tap in group) for group in taps], dim)  # type: ignore[misc]


class EnlargedConv:
    """ReLU of a 3×3 convolution of a map that is enlarged by a whole factor, computed on the small map: nine
    convolutions of at most 2×2, by where a pixel lies in the enlarged one."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight.detach(), bias
        self._kernels: dict[int, list[tuple[_Phases, _Phases, Tensor]]] = {}

    def __call__(self, x: Tensor, factor: int) -> Tensor:
        """(B, C, H, W) → (B, O, factor·H, factor·W)."""
        height, width = x.shape[2:]
        padded = F.pad(x, (1, 1, 1, 1))
        out = x.new_empty(len(x), len(self._weight), factor * height, factor * width)
        for rows, columns, kernel in self._by_phase(factor):
            top, left = 1 - rows.before, 1 - columns.before
            seen = padded[:, :, top : top + height + len(rows.taps) - 1, left : left + width + len(columns.taps) - 1]
            part = F.relu_(F.conv2d(seen, kernel, self._bias))
            for row in rows.places:
                for column in columns.places:
                    out[:, :, row::factor, column::factor] = part
        return out

    def _by_phase(self, factor: int) -> list[tuple[_Phases, _Phases, Tensor]]:
        if factor not in self._kernels:
            axis = _phases(factor)
            self._kernels[factor] = [
                (rows, columns, _summed(_summed(self._weight, rows.taps, 2), columns.taps, 3))
                for rows in axis
                for columns in axis
            ]
        return self._kernels[factor]


def spade(norm: SPADE) -> Callable[[Tensor, Tensor], Tensor]:
    """Labels enlarged by a whole factor are convolved small; 1 + γ comes from the bias."""
    shared, gamma, beta = norm.mlp_shared[0], norm.mlp_gamma, norm.mlp_beta
    assert isinstance(shared, nn.Conv2d)
    assert gamma.bias is not None
    enlarged, one_more = EnlargedConv(shared.weight, shared.bias), gamma.bias.detach() + 1

    def forward(x: Tensor, labels: Tensor) -> Tensor:
        factor = x.shape[2] // labels.shape[2]
        whole = x.shape[2:] == (factor * labels.shape[2], factor * labels.shape[3])
        if whole and factor > 1:
            activation = enlarged(labels, factor)
        else:
            activation = norm.mlp_shared(F.interpolate(labels, size=x.shape[2:], mode="nearest"))
        factors = F.conv2d(activation, gamma.weight, one_more, padding=1)
        return torch.addcmul(beta(activation), F.instance_norm(x), factors)

    return forward
