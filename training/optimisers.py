"""The optimisers that a recipe can name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.training.config import Optimisation, TrainConfig
from talkbench.training.objectives.turn import Turn


def make_optimiser(
    parameters: Iterable[nn.Parameter] | list[dict[str, Any]], settings: Optimisation, device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser of `parameters` that are on `device`, or of groups of them."""
    fused = device.type == "cuda" or None
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, lr=settings.lr, momentum=0.9, weight_decay=settings.weight_decay, fused=fused
        )
    return torch.optim.Adam(
        parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, fused=fused
    )


def make_optimisers(turns: Sequence[Turn], config: TrainConfig, device: torch.device) -> list[torch.optim.Optimizer]:
    """The optimiser of each turn, with a group of parameters for each of its `bases`.

    Raises:
        TalkbenchError: the recipe has settings of a turn that there is not, or the rate of a network that does not
            learn.
    """
    names = [turn.name for turn in turns]
    if unknown := sorted({*config.turns} - {*names}):
        raise TalkbenchError(
            f"training config: there is no turn {unknown[0]} in {config.method}: {nearest(unknown[0], names)}"
        )
    networks = [name for turn in turns for name in turn.networks]
    if unknown := sorted({*config.rates} - {*networks}):
        raise TalkbenchError(
            f"training config: rates: no network {unknown[0]} learns in {config.method}: "
            f"{nearest(unknown[0], networks)}"
        )
    groups = [[{"params": group} for group in bases(turn, config).values()] for turn in turns]
    return [make_optimiser(own, config.turn(turn.name), device) for turn, own in zip(turns, groups, strict=True)]


def bases(turn: Turn, config: TrainConfig) -> dict[float, list[nn.Parameter]]:
    """What learns in a turn, by its learning rate before the schedule."""
    groups: dict[float, list[nn.Parameter]] = {}
    placed: set[nn.Parameter] = set()
    for name, network in turn.networks.items():
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        groups.setdefault(base(name, turn, config), []).extend(p for p in learned if p not in placed)
        placed |= {*learned}
    return {rate: group for rate, group in groups.items() if group}


def base(network: str, turn: Turn, config: TrainConfig) -> float:
    """The learning rate of a network in a turn, before the schedule."""
    return config.rates.get(network, config.turn(turn.name).lr)
