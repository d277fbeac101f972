"""Which objective belongs to which method."""

from __future__ import annotations

from torch import nn

from talkbench.core.errors import TalkbenchError
from talkbench.methods.fomm import FOMM
from talkbench.methods.interface import Method
from talkbench.methods.mcnet import MCNet
from talkbench.methods.tpsm import TPSM
from talkbench.training.config import LossWeights
from talkbench.training.objectives.objective import FOMMObjective, MCNetObjective, Objective
from talkbench.training.objectives.tpsm import TPSMObjective

OBJECTIVES: dict[type[Method], type[Objective]] = {
    MCNet: MCNetObjective,
    FOMM: FOMMObjective,
    TPSM: TPSMObjective,
}


def create(method: Method, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> Objective:
    """The objective of a method; the arguments are those of `Objective`.

    Raises:
        TalkbenchError: there is none, so that it cannot be trained here.
    """
    for kind, objective in OBJECTIVES.items():
        if isinstance(method, kind):
            return objective(method, image_loss, weights, sync)
    raise TalkbenchError(
        f"{method.name} cannot be trained here; bench train takes mcnet, fomm, tpsm and their variants"
    )
