"""The optimisers that a recipe can name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.training.config import Optimisation, TrainConfig
from talkbench.training.objectives.turn import Turn


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


def make_optimisers(turns: Sequence[Turn], config: TrainConfig, device: torch.device) -> list[torch.optim.Optimizer]:
    """The optimiser of each turn.

    Raises:
        TalkbenchError: the recipe has settings of a turn that there is not.
    """
    names = [turn.name for turn in turns]
    if unknown := sorted({*config.turns} - {*names}):
        raise TalkbenchError(
            f"training config: there is no turn {unknown[0]} in {config.method}: {nearest(unknown[0], names)}"
        )
    return [make_optimiser(turn.learned, config.turn(turn.name), device) for turn in turns]
