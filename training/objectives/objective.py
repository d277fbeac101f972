"""The base class of objectives: the forward pass of a training step, and its weighted terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from talkbench.methods.interface import Method
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import PerceptualLoss
from talkbench.training.objectives.norms import prepare_norms
from talkbench.training.state.draw import Draw

Losses = dict[str, Tensor]


class Objective(nn.Module, ABC):
    """The losses of one step of a method: a module, so that one wrapper shares the whole step among processes.

    Args:
        method: its networks are trained, in place.
        image_loss: compares prediction and driving frame; a `PerceptualLoss` or `MultiScaleL1`.
        weights: factors of the terms.
        sync: whether batch norm sees the batches of all processes.

    Attributes:
        trains: the class of methods that it trains; subclasses too, unless they have an objective of their own.
        clip_type: the order of the norm by which gradients are limited.
        idle: whether a parameter may get no gradient in some steps.
    """

    trains: ClassVar[type[Method[Any, Any]]]
    clip_type: ClassVar[float] = 2.0
    idle: ClassVar[bool] = False

    def __init__(self, method: Method, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(method.networks)
        prepare_norms(self.networks, sync)
        self.image_loss, self.weights = image_loss, weights

    def forward(self, source: Tensor, driving: Tensor, draw: Draw) -> Losses:
        """The weighted terms, and their sum as ``total``, for images (B, 3, H, W) in [0, 1]."""
        terms = self.terms(source, driving, self.random(draw))
        losses = {name: getattr(self.weights, name) * term for name, term in terms.items()}
        losses["total"] = torch.stack(list(losses.values())).sum()
        return losses

    @abstractmethod
    def random(self, draw: Draw) -> Any:
        """All random numbers of the step, so that `terms` is a plain function and can be compiled."""

    @abstractmethod
    def terms(self, source: Tensor, driving: Tensor, random: Any) -> Losses:
        """The unweighted terms, by their names in `LossWeights`."""

    def clipped(self) -> Iterable[Iterable[nn.Parameter]]:
        """The groups of parameters whose gradients are limited, each by its own norm; by default one per network."""
        return [network.parameters() for network in self.networks.values()]

    def image_term(self, prediction: Tensor, driving: Tensor) -> Losses:
        """The image loss under the name of its weight."""
        name = "perceptual" if isinstance(self.image_loss, PerceptualLoss) else "reconstruction"
        return {name: self.image_loss(prediction, driving)}
