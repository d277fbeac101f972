"""FOMM's objective (docs/specs/fomm.md 5), with a discriminator where the recipe has an adversarial term."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from talkbench.methods.fomm import FOMM
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import KeypointDetector, Keypoints
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.losses import equivariance
from talkbench.training.objectives.norms import set_parts
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


@registry.register("fomm")
class FOMMObjective(Objective):
    """The image loss and the equivariance of keypoints with local affine maps; the discriminator's terms, if any.

    Args:
        method: FOMM, or one whose `detector` and `generator` are used as FOMM's.
    """

    trains: ClassVar[type[Method[Any, Any]]] = FOMM

    def __init__(self, method: Any, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.detector: KeypointDetector = method.detector
        self.generator = method.generator
        set_parts(self.detector, 3)  # source, driving and transformed frames in one batch

    def random(self, draw: Draw) -> tuple[EquivarianceTransform, tuple[Any, ...]]:
        """The transform, and further arguments of the generator."""
        return EquivarianceTransform.random(draw, self.generator.align_corners), ()

    def terms(self, source: Tensor, driving: Tensor, random: tuple[EquivarianceTransform, tuple[Any, ...]]) -> Losses:
        return self.step(source, driving, random)[0]

    def step(
        self, source: Tensor, driving: Tensor, random: tuple[EquivarianceTransform, tuple[Any, ...]]
    ) -> tuple[Losses, tuple[Tensor, Tensor]]:
        transform, noise = random
        small = self.detector.down(torch.cat([source, driving, transform.warp_images(driving)]))
        keypoints = self.detector.detect(small)
        values, jacobians = keypoints.value.chunk(3), keypoints.jacobian.chunk(3)
        kp_source, kp_driving, kp_transformed = map(Keypoints, values, jacobians)
        maps = self.generator.encode(source, kp_source, small[: len(source)])
        generated = self.generator(maps, kp_driving, *noise)
        value, jacobian = equivariance(kp_driving, kp_transformed, transform)
        terms = {
            **self.image_term(generated.prediction, driving),
            "equivariance_value": value,
            "equivariance_jacobian": jacobian,
            **self.more(kp_source, kp_driving, generated),
            **self.deceive(driving, generated.prediction, kp_driving.value),
        }
        return terms, (generated.prediction.detach(), kp_driving.value.detach())

    def more(self, kp_source: Keypoints, kp_driving: Keypoints, generated: Any) -> Losses:
        """Further terms, from the keypoints and the generator's output."""
        return {}
