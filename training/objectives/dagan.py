"""DaGAN's objective: FOMM's terms and the keypoints' distance, with a depth network that does not learn
(docs/specs/dagan.md 5.1); that of a small model does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from talkbench.methods.dagan import DaGAN
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.fomm import FOMMObjective, Outputs, parts
from talkbench.training.objectives.losses import depth_constraint
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


@registry.register("dagan")
class DaGANObjective(FOMMObjective):
    """The depth network sees all three frames, the transformed one too, and no gradient reaches it, unless the
    configuration says that it learns."""

    trains = DaGAN

    def __init__(self, method: DaGAN, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        self.frozen = () if method.config.learned_depth else ("depth_encoder", "depth_decoder")
        super().__init__(method, image_loss, weights, sync)
        self.depth_encoder, self.depth_decoder = method.depth_encoder, method.depth_decoder

    def random(self, draw: Draw) -> tuple[EquivarianceTransform, tuple[Any, ...]]:
        return EquivarianceTransform.random(draw), ()

    def generate(self, source: Tensor, driving: Tensor, transformed: Tensor, noise: tuple[Any, ...]) -> Outputs:
        frames = torch.cat([source, driving, transformed])
        with torch.set_grad_enabled(not self.frozen and torch.is_grad_enabled()):
            disparity: Tensor = self.depth_decoder(self.depth_encoder(frames))
        kp_source, kp_driving, kp_transformed = parts(self.detector(torch.cat([frames, disparity], 1)))
        depth = disparity.chunk(3)
        generated = self.generator(self.generator.encode(source, depth[0], kp_source), kp_driving)
        return Outputs(kp_source, kp_driving, kp_transformed, generated, depth[1])

    def more(self, outputs: Outputs) -> Losses:
        terms = self.spread(outputs)
        if self.weights.depth_constraint and outputs.disparity is not None:
            disparity = self.depth_decoder(self.depth_encoder(outputs.generated.prediction))
            terms["depth_constraint"] = depth_constraint(outputs.disparity, disparity)
        return terms
