"""A turn of a training step: networks that learn together, by losses of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from talkbench.training.config import LossWeights
from talkbench.training.terms import weighted

Losses = dict[str, Tensor]

Terms = Callable[[Tensor, Tensor, Any, Any], tuple[Losses, Any]]
"""From source and driving frames (B, 3, H, W), the random numbers of the step, and what the turn before has left (None
in the first), to the unweighted terms by their names in `LossWeights`, and to what the turn leaves for the next:
tensors, detached, in any nest of tuples."""


class Turn(nn.Module):
    """The networks that learn in a turn, and the terms that they learn by.

    It is a module so that one wrapper shares the turn among processes: its parameters are those that learn in it, and
    whatever else `terms` runs is none of them.

    Args:
        name: by which a recipe speaks of it.
        networks: what learns; parameters without a gradient do not.
        terms: see `Terms`.
        weights: factors of the terms.
        clipped: groups of parameters whose gradients are limited, each by its own norm; None: one per network.
        clip_type: the order of that norm.
        idle: whether a parameter may get no gradient in some steps.
        owner: whose terms they are, for error messages.
    """

    def __init__(
        self,
        name: str,
        networks: nn.ModuleDict,
        terms: Terms,
        weights: LossWeights,
        clipped: Iterable[Iterable[nn.Parameter]] | None = None,
        clip_type: float = 2.0,
        idle: bool = False,
        owner: str = "an objective",
    ) -> None:
        super().__init__()
        self.name, self.networks, self.terms, self.weights, self.owner = name, networks, terms, weights, owner
        groups = [network.parameters() for network in networks.values()] if clipped is None else clipped
        kept = [[parameter for parameter in group if parameter.requires_grad] for group in groups]
        self.clipped, self.clip_type, self.idle = [group for group in kept if group], clip_type, idle
        self.learned = [parameter for parameter in networks.parameters() if parameter.requires_grad]

    def forward(self, source: Tensor, driving: Tensor, random: Any, left: Any) -> tuple[Losses, Any]:
        """The weighted terms, and what the next turn needs. ``total`` is the sum of those that have a gradient; a term
        without one is only reported.

        Raises:
            TalkbenchError: no step can be taken by these terms.
        """
        terms, left = self.terms(source, driving, random, left)
        losses = weighted(terms, self.weights, self.owner)
        losses["total"] = torch.stack([losses[name] for name, term in terms.items() if teaches(term)]).sum()
        return losses, left


def teaches(term: Tensor) -> bool:
    """Whether something can be learned by a term: whether it has a gradient, where gradients are computed at all."""
    return term.requires_grad or not torch.is_grad_enabled()


def named(networks: Mapping[str, nn.Module]) -> nn.ModuleDict:
    """The networks by their names in the authors' checkpoints, one of which, X2Face's ``state_dict``, `nn.ModuleDict`
    refuses to add."""
    modules = nn.ModuleDict()
    modules._modules.update(networks)
    return modules


@contextmanager
def alone(turn: Turn, turns: Sequence[Turn]) -> Iterator[None]:
    """In the block, gradients reach the parameters of this one of the `turns` alone: they pass through the networks of
    the others on their way."""
    others = [parameter for other in turns if other is not turn for parameter in other.learned]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)
