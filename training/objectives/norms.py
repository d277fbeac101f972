"""Batch norm that gives the same result however a training step is split up (docs/specs/mcnet.md 5.2, 5.4)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


class StepNorm(_BatchNorm):
    """Batch norm of vectors, images or volumes with the statistics of all processes, on any device, and of each of
    `parts` parts of a batch alone.

    Source, driving and transformed frames go through the keypoint detector in one batch, yet each of them is normalised
    by itself, and the running statistics see them one after another, as in the authors' three calls.

    Args:
        norm: the batch norm whose parameters and statistics this one takes over.
        sync: whether to use the statistics of all processes; else of this one alone.
    """

    def __init__(self, norm: _BatchNorm, sync: bool) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self._parameters, self._buffers = norm._parameters, norm._buffers
        self.sync, self.parts = sync, 1
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.parts == 1:
            return self._normalised(x)
        return torch.cat([self._normalised(part) for part in x.chunk(self.parts)])

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of dimensions will do."""

    def _normalised(self, x: Tensor) -> Tensor:
        if self.training and self.sync and distributed.is_initialized():
            return self._gathered(x)
        return super().forward(x)

    def _gathered(self, x: Tensor) -> Tensor:
        """Normalise over all processes, whose shares are equally large; torch's `SyncBatchNorm` cannot on a CPU."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        others = [0, *range(2, x.ndim)]
        channels = [-1, *(1 for _ in others[1:])]
        shares = _of_all(torch.stack([*torch.var_mean(x, others, correction=0)]))  # (processes, 2, C), in one exchange
        mean = shares[:, 1].mean(0)
        variance = (shares[:, 0] + (shares[:, 1] - mean).square()).mean(0)
        centred = x - mean.view(channels)
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale.view(channels) + self.bias.view(channels)


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of the gradients over all processes."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def _of_all(x: Tensor) -> Tensor:
    """The `x` of every process, (processes, *x.shape), with gradients that reach all of them."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    own = torch.stack([x if number == rank else torch.zeros_like(x) for number in range(size)])
    shares: Tensor = _Sum.apply(own)
    return shares


def prepare_norms(module: nn.Module, sync: bool) -> None:
    """Replace every batch norm in `module` by a `StepNorm` under the same name."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, StepNorm(child, sync))
        else:
            prepare_norms(child, sync)


def set_parts(module: nn.Module, parts: int) -> None:
    """Tell `module` that its training batches consist of `parts` equal parts, each normalised by itself."""
    for norm in module.modules():
        if isinstance(norm, StepNorm):
            norm.parts = parts
