"""X2Face's objective: the first of the paper's two stages, which is the one that was released
(docs/specs/x2face.md 5)."""

from __future__ import annotations

from torch import Tensor, nn

from talkbench.methods.x2face import X2Face
from talkbench.methods.x2face.model import sample
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


@registry.register("x2face")
class X2FaceObjective(Objective):
    """Mean absolute difference of the driving frame and the source as it directs it."""

    trains = X2Face
    plain = True

    def __init__(self, method: X2Face, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.network = method.network

    def random(self, draw: Draw) -> None:
        """Nothing is random."""

    def terms(self, source: Tensor, driving: Tensor, random: None) -> Losses:
        mosaic = self.network.mosaic(source[:, None])
        return self.image_term(sample(mosaic, self.network.driving_grid(driving)), driving)
