"""MCNet's objective (docs/specs/mcnet.md 5.1)."""

from __future__ import annotations

from typing import Any

from torch import nn

from talkbench.methods.mcnet import MCNet
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.fomm import FOMMObjective, Outputs
from talkbench.training.objectives.losses import consistency
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


@registry.register("mcnet")
class MCNetObjective(FOMMObjective):
    """FOMM's terms, the keypoints' distance, and the consistency of the memory's values with the features."""

    trains = MCNet

    def __init__(self, method: MCNet, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.config = method.config

    def random(self, draw: Draw) -> tuple[EquivarianceTransform, tuple[Any, ...]]:
        memory, transform = self.config.memory, EquivarianceTransform.random(draw)
        if memory is None or not memory.conditioned:
            return transform, (None,)
        maps = draw.normal(len(self.config.levels), 1, memory.side, memory.side)
        return transform, (maps.unbind(1),)

    def more(self, outputs: Outputs) -> Losses:
        terms = self.spread(outputs)
        if outputs.generated.compensations and self.config.consistent:
            terms["consistency"] = consistency(outputs.generated.compensations)
        return terms
