"""FOMM's objective (docs/specs/fomm.md 5), with a discriminator where the recipe has an adversarial term."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from talkbench.methods.fomm import FOMM
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import KeypointDetector, Keypoints
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.losses import equivariance, keypoint_distance, keypoint_separation
from talkbench.training.objectives.norms import set_parts
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


class Outputs(NamedTuple):
    """What the networks make in a step: keypoints of the three frames, the generator's output, and, where the method
    has any, the driving frames' disparity (B, 1, H, W)."""

    source: Keypoints
    driving: Keypoints
    transformed: Keypoints
    generated: Any
    disparity: Tensor | None = None


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
        outputs = self.generate(source, driving, transform.warp_images(driving), noise)
        prediction, driven = outputs.generated.prediction, outputs.driving
        value, jacobian = equivariance(driven, outputs.transformed, transform)
        terms = {
            **self.image_term(prediction, driving),
            "equivariance_value": value,
            "equivariance_jacobian": jacobian,
            **self.more(outputs),
            **self.deceive(driving, prediction, driven.value),
        }
        return terms, (prediction.detach(), driven.value.detach())

    def generate(self, source: Tensor, driving: Tensor, transformed: Tensor, noise: tuple[Any, ...]) -> Outputs:
        """Keypoints of all frames (B, 3, H, W), and the source in the driving frame's motion."""
        small = self.detector.down(torch.cat([source, driving, transformed]))
        kp_source, kp_driving, kp_transformed = parts(self.detector.detect(small))
        maps = self.generator.encode(source, kp_source, small[: len(source)])
        return Outputs(kp_source, kp_driving, kp_transformed, self.generator(maps, kp_driving, *noise))

    def more(self, outputs: Outputs) -> Losses:
        """Further terms."""
        return self.separation(outputs)

    def spread(self, outputs: Outputs) -> Losses:
        """The terms on how far the keypoints of source and driving frame are apart, for methods that have both."""
        both = outputs.source.value, outputs.driving.value
        distance = torch.stack([keypoint_distance(value) for value in both]).sum()
        return {"kp_distance": distance, **self.separation(outputs)}

    def separation(self, outputs: Outputs) -> Losses:
        """The term that pushes the keypoints of source and driving frame apart, if it has a weight."""
        if not self.weights.kp_separation:
            return {}
        both = outputs.source.value, outputs.driving.value
        return {"kp_separation": torch.stack([keypoint_separation(value) for value in both]).sum()}


def parts(keypoints: Keypoints) -> tuple[Keypoints, Keypoints, Keypoints]:
    """The keypoints of source, driving and transformed frames, which were detected in one batch."""
    source, driving, transformed = map(Keypoints, keypoints.value.chunk(3), keypoints.jacobian.chunk(3))
    return source, driving, transformed
