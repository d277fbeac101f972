"""The optimisers that a recipe can name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from talkbench.training.config import Optimisation


def make_optimiser(
    parameters: Iterable[nn.Parameter], settings: Optimisation, device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser of `parameters` that are on `device`."""
    fused = device.type == "cuda" or None
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, lr=settings.lr, momentum=0.9, weight_decay=settings.weight_decay, fused=fused
        )
    return torch.optim.Adam(
        parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, fused=fused
    )
