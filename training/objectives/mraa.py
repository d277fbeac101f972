"""MRAA's objective, of the first of its two stages of training (docs/specs/mraa.md 5.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from talkbench.methods.mraa import MRAA
from talkbench.methods.mraa.regions import Regions
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.losses import equivariance_affine, equivariance_value
from talkbench.training.objectives.norms import set_parts
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


@registry.register("mraa")
class MRAAObjective(Objective):
    """The image loss, and the equivariance of the regions' centres and axes.

    Its AVD network is trained afterwards, by another objective. Validation pairs are rendered with the background's
    motion, as the authors reconstruct videos.
    """

    trains = MRAA

    def __init__(self, method: MRAA, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        del self.networks["avd_network"]
        method.background = True
        self.region_predictor, self.generator = method.region_predictor, method.generator
        self.background_predictor = method.background_predictor
        set_parts(self.region_predictor, 3)  # source, driving and transformed frames in one batch

    def random(self, draw: Draw) -> EquivarianceTransform:
        return EquivarianceTransform.random(draw)

    def terms(self, source: Tensor, driving: Tensor, random: EquivarianceTransform) -> Losses:
        small = self.region_predictor.down(torch.cat([source, driving, random.warp_images(driving)]))
        regions = self.region_predictor.detect(small)
        of_source, of_driving, of_transformed = map(
            Regions, regions.shift.chunk(3), regions.covar.chunk(3), regions.affine.chunk(3)
        )
        maps = self.generator.encode(source, of_source, small[: len(source)])
        generated = self.generator(maps, of_driving, self.background_predictor(source, driving))
        return {
            **self.image_term(generated.prediction, driving),
            "equivariance_value": equivariance_value(of_driving.shift, of_transformed.shift, random),
            "equivariance_affine": equivariance_affine(of_driving, of_transformed, random),
        }
