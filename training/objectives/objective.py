"""What a step minimises, method by method: the forward pass of training and its weighted terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from talkbench.methods.fomm import FOMM
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import Keypoints
from talkbench.methods.mcnet import MCNet
from talkbench.methods.mcnet.model import Generated
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import (
    PerceptualLoss,
    consistency,
    equivariance,
    keypoint_distance,
    keypoint_separation,
)
from talkbench.training.objectives.norms import prepare_norms, set_parts
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.state.draw import Draw

Losses = dict[str, Tensor]


class Objective(nn.Module, ABC):
    """The losses of one step of a method: a module, so that one wrapper shares the whole step among processes.

    Args:
        method: whose networks are trained, in place.
        image_loss: compares prediction and driving frame; a `PerceptualLoss`, or what stands in for it.
        weights: factors of the terms.
        sync: whether batch norm sees the batches of all processes.

    Attributes:
        clip_type: which norm of the gradients is limited.
        idle: whether there are steps in which a parameter gets no gradient.
    """

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
        """All random numbers of the step: what `terms` computes is then a plain function, which can be compiled."""

    @abstractmethod
    def terms(self, source: Tensor, driving: Tensor, random: Any) -> Losses:
        """The unweighted terms, by their names in `LossWeights`."""

    def clipped(self) -> Iterable[Iterable[nn.Parameter]]:
        """The groups of parameters whose gradients' norm is limited, each on its own: those of every network."""
        return [network.parameters() for network in self.networks.values()]

    def image_term(self, prediction: Tensor, driving: Tensor) -> Losses:
        """The image loss under the name of its weight."""
        name = "perceptual" if isinstance(self.image_loss, PerceptualLoss) else "reconstruction"
        return {name: self.image_loss(prediction, driving)}


class FOMMObjective(Objective):
    """FOMM's (docs/specs/fomm.md 5), without its adversarial fine-tuning."""

    def __init__(self, method: FOMM | MCNet, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.detector, self.generator = method.detector, method.generator
        set_parts(self.detector, 3)  # source, driving and transformed frames in one batch
        self.align_corners = isinstance(method, FOMM) and method.generator.align_corners

    def random(self, draw: Draw) -> tuple[EquivarianceTransform, tuple[Any, ...]]:
        return EquivarianceTransform.random(draw, self.align_corners), ()

    def terms(self, source: Tensor, driving: Tensor, random: tuple[EquivarianceTransform, tuple[Any, ...]]) -> Losses:
        transform, noise = random
        small = self.detector.down(torch.cat([source, driving, transform.warp_images(driving)]))
        found = self.detector.detect(small)
        values, jacobians = found.value.chunk(3), found.jacobian.chunk(3)
        kp_source, kp_driving, kp_transformed = map(Keypoints, values, jacobians)
        maps = self.generator.encode(source, kp_source, small[: len(source)])
        generated = self.generator(maps, kp_driving, *noise)
        value, jacobian = equivariance(kp_driving, kp_transformed, transform)
        return {
            **self.image_term(generated.prediction, driving),
            "equivariance_value": value,
            "equivariance_jacobian": jacobian,
            **self.more(kp_source, kp_driving, generated),
        }

    def more(self, kp_source: Keypoints, kp_driving: Keypoints, generated: Any) -> Losses:
        """Further terms of the keypoints and of what the generator gave."""
        return {}


class MCNetObjective(FOMMObjective):
    """MCNet's (docs/specs/mcnet.md 5.1): FOMM's, the distance of keypoints, and memory values that follow the
    features."""

    def __init__(self, method: MCNet, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.config = method.config

    def random(self, draw: Draw) -> tuple[EquivarianceTransform, tuple[Any, ...]]:
        memory, transform = self.config.memory, EquivarianceTransform.random(draw)
        if memory is None or not memory.conditioned:
            return transform, (None,)
        maps = draw.normal(len(self.config.levels), 1, memory.side, memory.side)
        return transform, (maps.unbind(1),)

    def more(self, kp_source: Keypoints, kp_driving: Keypoints, generated: Generated) -> Losses:
        both = kp_source.value, kp_driving.value
        terms = {"kp_distance": torch.stack([keypoint_distance(value) for value in both]).sum()}
        if self.weights.kp_separation:
            terms["kp_separation"] = torch.stack([keypoint_separation(value) for value in both]).sum()
        if generated.compensations and self.config.consistent:
            terms["consistency"] = consistency(generated.compensations)
        return terms
