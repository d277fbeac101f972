"""DaGAN's objective in a training: what learns, what does not; and gradients against finite differences."""

from pathlib import Path

import pytest
import torch
from toy_training import Toy

from talkbench import methods
from talkbench.methods import dagan
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.dagan.model import DaGANConfig
from talkbench.training import objectives
from talkbench.training.config import LossWeights, TrainConfig
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.dagan import DaGANObjective
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.progress import TrainProgress
from talkbench.training.state.draw import Draw
from talkbench.training.world import World

SIDE = 64
SHAPE = HourglassConfig(8, max_features=16, num_blocks=2, scale_factor=0.5)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = DaGANConfig(SIDE, num_kp=5, kp_detector=SHAPE, dense_motion=SHAPE, block_expansion=8, max_features=32)
    monkeypatch.setitem(dagan.VARIANTS, "demo", tiny)


def test_the_depth_network_is_the_same_to_the_bit_afterwards(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TrainConfig(method="dagan@demo", dataset="toy", epochs=1, repeats=2, batch_size=2, jitter=0, validation=0,
                         sampling="clip", ema=0.5, weights={"adversarial": 1, "depth_constraint": 1})  # fmt: skip
    method = methods.create("dagan@demo")
    assert objectives.find(type(method), method.name) is DaGANObjective
    pairs, world = FramePairs(Toy(), config, SIDE), World(torch.device("cpu"))
    running = Trainer(method, config, pairs, tmp_path, MultiScaleL1(), world, LoopOptions(), TrainProgress())
    before = {name: {key: value.clone() for key, value in state.items()} for name, state in running.states().items()}
    running.run()
    after = running.states()
    same = {name: all(torch.equal(after[name][key], value) for key, value in state.items())
            for name, state in before.items()}  # fmt: skip
    assert same == {"generator": False, "kp_detector": False, "depth_encoder": True, "depth_decoder": True,
                    "discriminator": False}  # fmt: skip
    assert list(running.latest) == [
        "reconstruction", "equivariance_value", "equivariance_jacobian", "kp_distance", "depth_constraint",
        "adversarial", "feature_matching", "total", "discriminator",
    ]  # fmt: skip


@pytest.mark.parametrize(("turn", "change"), [(0, 1e-3), (1, 1e-2)])
def test_the_gradient_is_that_of_finite_differences(turn: int, change: float) -> None:
    torch.manual_seed(0)
    weights = LossWeights(adversarial=1, depth_constraint=1)
    objective = DaGANObjective(methods.create("dagan@demo"), MultiScaleL1(), weights).eval()
    numbers = torch.Generator().manual_seed(1)
    source, driving = torch.rand(2, 2, 3, SIDE, SIDE, generator=numbers)
    random = objective.random(Draw(0, 0, 2, 0, 2, torch.device("cpu"), 0))
    turns = objective.turns()

    def total() -> torch.Tensor:
        left = None
        for each in turns[: turn + 1]:
            losses, left = each(source, driving, random, left)
        return losses["total"]

    weight = (objective.generator.final if turn == 0 else objective.opponents["discriminator"].discs["1"].conv).weight
    total().backward()
    direction, slope = weight.grad / weight.grad.norm(), weight.grad.norm().item()
    values = []
    for step in (change, -2 * change):
        with torch.no_grad():
            weight += step * direction
            values.append(total().item())
    assert (values[0] - values[1]) / (2 * change) == pytest.approx(slope, rel=1e-2)
