"""Convolutions of oneDNN by operators of torch that are private: they may be missing, or take other arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOG = logging.getLogger("talkbench")

Weights = Callable[[], tuple[Tensor, Tensor | None]]
"""Computes a kernel and its bias."""


@cache
def available() -> bool:
    """Whether this torch has the operators; that it lacks them is said once, in the log."""
    conv = nn.Conv2d(2, 2, 3, padding=1)
    x = torch.linspace(-1, 1, 50).view(1, 2, 5, 5)
    with torch.no_grad():
        expected = conv(x)
        try:
            packed = PackedConv(conv, lambda: (conv.weight, conv.bias), "relu")
            works = torch.allclose(packed(x), F.relu(expected), atol=1e-5)
            works &= torch.allclose(packed(x, add=x), F.relu(expected + x), atol=1e-5)
        except (AttributeError, RuntimeError, TypeError, NotImplementedError):
            works = False
    if not works:
        version = torch.__version__
        LOG.warning("torch %s lacks oneDNN's packed convolutions; plain ones take up to 1.5 times as long", version)
    return works


class PackedConv:
    """A 2-D convolution with zero padding whose kernel is laid out for oneDNN once for each size of its input, with a
    sum and a ReLU in the same pass. Its results are channels last.

    Args:
        conv: whose padding, stride, dilation and groups it has.
        weights: its kernel and bias, computed at the first input of a size.
        activation: ``relu`` or ``none``.
    """

    def __init__(self, conv: nn.Conv2d, weights: Weights, activation: str = "none") -> None:
        assert isinstance(conv.padding, tuple)
        self._shape = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self._weights, self._activation = weights, activation
        self._packed: dict[tuple[int, int], tuple[Tensor, Tensor | None]] = {}

    def __call__(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """The convolution of (B, C, H, W), `add` being added, then the activation."""
        size = x.shape[2], x.shape[3]
        if size not in self._packed:
            weight, bias = self._weights()
            # One layout serves all batch sizes.
            reorder = torch.ops.mkldnn._reorder_convolution_weight
            self._packed[size] = reorder(weight.detach(), *self._shape, [1, x.shape[1], *size]), bias
        weight, bias = self._packed[size]
        convolve = torch.ops.mkldnn._convolution_pointwise
        if add is None:
            out: Tensor = convolve(x, weight, bias, *self._shape, self._activation, [], "")
        else:
            activation = None if self._activation == "none" else self._activation
            out = convolve.binary(x, add, weight, bias, *self._shape, "add", None, activation, [], None)
        return out
