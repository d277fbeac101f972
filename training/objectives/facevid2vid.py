"""face-vid2vid's objective (docs/specs/facevid2vid.md 5), against a discriminator where the recipe has an adversarial
term."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from talkbench.methods.facevid2vid import FaceVid2Vid
from talkbench.methods.facevid2vid.head import Head
from talkbench.metrics import weights as model_files
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.hopenet import Hopenet, load_hopenet
from talkbench.training.objectives.losses import deformation_prior, equivariance_value, head_pose, keypoint_prior
from talkbench.training.objectives.norms import set_parts
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw

TEACHER = "hopenet"


@registry.register("facevid2vid")
class FaceVid2VidObjective(Objective):
    """The image loss, the equivariance of keypoints in the image plane, priors on keypoints and deformations, and the
    head's angles as Hopenet sees them; without Hopenet's file that term is left out. The discriminator's terms, if any.
    """

    trains = FaceVid2Vid
    hinge = True

    def __init__(self, method: FaceVid2Vid, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.detector, self.estimator, self.generator = method.detector, method.estimator, method.generator
        set_parts(self.estimator, 3)  # source, driving and transformed frames in one batch
        if weights.head_pose:
            fault = model_files.problem(TEACHER)
            if fault:
                self.left_out["head_pose"] = f"it {fault}"
            else:
                self.teachers[TEACHER] = load_hopenet(model_files.path(TEACHER))

    def complete(self) -> None:
        if self.left_out.pop("head_pose", None):
            self.teachers[TEACHER] = Hopenet()

    def random(self, draw: Draw) -> EquivarianceTransform:
        return EquivarianceTransform.random(draw)

    def terms(self, source: Tensor, driving: Tensor, random: EquivarianceTransform) -> Losses:
        return self.step(source, driving, random)[0]

    def step(
        self, source: Tensor, driving: Tensor, random: EquivarianceTransform
    ) -> tuple[Losses, tuple[Tensor, Tensor]]:
        canonical = self.detector(source)
        heads = self.estimator(torch.cat([source, driving, random.warp_images(driving)]))
        parts = heads.degrees, heads.rotation, heads.translation, heads.expression
        of_source, of_driving, of_transformed = map(Head, *(part.chunk(3) for part in parts))
        volume = self.generator.encode(source, canonical, of_source)
        keypoints, transformed = of_driving.keypoints(canonical), of_transformed.keypoints(canonical)
        prediction = self.generator(volume, keypoints)
        terms = {
            **self.image_term(prediction, driving),
            "equivariance_value": equivariance_value(keypoints[..., :2], transformed[..., :2], random),
            "keypoint_prior": keypoint_prior(keypoints),
            "deformation_prior": deformation_prior(of_driving.expression),
        }
        if TEACHER in self.teachers:
            terms["head_pose"] = head_pose(of_driving.degrees, self.teachers[TEACHER](driving))
        terms |= self.deceive(driving, prediction, keypoints)
        return terms, (prediction.detach(), keypoints.detach())
