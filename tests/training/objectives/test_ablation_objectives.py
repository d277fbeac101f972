"""Every row of the ablation tables trains: no parameter is left without a gradient, as several processes need it."""

import pytest
import torch
import toy_training
from reference_fill import image

from talkbench.methods.fomm.memory import of_fomms_depth
from talkbench.methods.mcnet.ablations import ABLATIONS
from talkbench.methods.mcnet.model import Generator
from talkbench.training import objectives
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.state.draw import Draw

ROWS = {**ABLATIONS, "fomm_backbone": of_fomms_depth}


@pytest.mark.parametrize("row", ROWS)
def test_every_parameter_of_a_row_is_taught(row: str) -> None:
    torch.manual_seed(0)
    method = toy_training.tiny()
    method.config = ROWS[row](method.config)
    method.generator = Generator(method.config)
    method.networks["generator"] = method.generator
    step = objectives.create(method, MultiScaleL1(), LossWeights()).train()
    source, driving = torch.cat([image(1, 32), image(2, 32)]), torch.cat([image(3, 32), image(4, 32)])
    losses = step(source, driving, Draw(1, 0, 2, 0, 2, torch.device("cpu"), epoch=0))
    assert ("consistency" in losses) == (row not in ("baseline", "no_consistency"))
    losses["total"].backward()
    assert [key for key, parameter in step.networks.named_parameters() if parameter.grad is None] == []
