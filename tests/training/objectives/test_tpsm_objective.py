"""TPSM's objective beyond its goldens: what changes with the epoch, what is taught, and the memory in it."""

import math

import pytest
import torch
from reference_fill import image

from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.mcnet.memory import MemoryConfig
from talkbench.methods.tpsm import TPSM, VARIANTS, TPSMConfig
from talkbench.training.config import LossWeights
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.objectives.tpsm import SCHEDULES, Schedule, TPSMObjective
from talkbench.training.state.draw import Draw

SMALL = TPSMConfig(
    resolution=128,
    dense_motion=HourglassConfig(8, 32, num_blocks=3),
    block_expansion=8,
    max_features=64,
    memory=MemoryConfig(channels=32, side=8),
)


@pytest.fixture(scope="module")
def objective() -> TPSMObjective:
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "small", SMALL)
        return TPSMObjective(TPSM("small"), MultiScaleL1(), LossWeights()).train()


def draw(epoch: int, first: int = 0, count: int = 2) -> Draw:
    return Draw(1, 5, 2, first, count, torch.device("cpu"), epoch)


@pytest.mark.parametrize(
    ("schedule", "epoch", "probability"),
    [
        (Schedule(), 0, 0.1),
        (Schedule(), 6, 0.28),
        (Schedule(), 7, 0.3),
        (Schedule(), 34, 0.3),
        (Schedule(), 35, 0.0),
        (SCHEDULES["tpsm@taichi-256"], 0, 0.0),
        (SCHEDULES["tpsm@taichi-256"], 9, 0.63),
        (SCHEDULES["tpsm@taichi-256"], 10, 0.7),
        (SCHEDULES["tpsm@ted-384"], 3, 0.15),
    ],
)
def test_splines_are_dropped_by_the_epoch(schedule: Schedule, epoch: int, probability: float) -> None:
    assert schedule.dropout(epoch) == pytest.approx(probability)


def test_what_is_drawn_changes_with_the_epoch(objective: TPSMObjective) -> None:
    early, late = objective.random(draw(9)), objective.random(draw(35))
    assert (early.background, late.background) == (False, True)
    assert early.keep is not None
    assert early.keep.shape == (2, 11)
    assert early.keep[:, 0].all()
    assert not early.keep.all()
    assert late.keep is None
    assert [level.shape for level in early.noise] == [(2, 1, 8, 8)] * 3


def test_samples_draw_the_same_wherever_they_are_computed(objective: TPSMObjective) -> None:
    both, second = objective.random(draw(9)), objective.random(draw(9, first=1, count=1))
    assert torch.equal(second.keep, both.keep[1:])
    assert torch.equal(second.transform.theta, both.transform.theta[1:])
    for alone, together in zip(second.noise, both.noise, strict=True):
        assert torch.equal(alone, together[1:])


def test_every_network_learns_but_a_background_that_stands_still(objective: TPSMObjective) -> None:
    source, driving = torch.cat([image(1, 128), image(2, 128)]), torch.cat([image(3, 128), image(4, 128)])
    losses = objective(source, driving, draw(9))
    assert list(losses) == ["reconstruction", "equivariance_value", "warp", "consistency", "total"]
    losses["total"].backward()
    taught = {
        name for name, network in objective.networks.items() if any(p.grad is not None for p in network.parameters())
    }
    assert taught == {"kp_detector", "dense_motion_network", "inpainting_network"}
    for name in taught:
        assert [key for key, p in objective.networks[name].named_parameters() if p.grad is None] == []
    with torch.no_grad():
        assert "background" in objective(source, driving, draw(10))


def test_only_the_motions_gradients_are_limited(objective: TPSMObjective) -> None:
    limited = {id(parameter) for group in objective.clipped() for parameter in group}
    free = {id(parameter) for parameter in objective.networks["inpainting_network"].parameters()}
    assert limited | free == {id(parameter) for parameter in objective.networks.parameters()}
    assert not limited & free
    assert objective.clip_type == math.inf
    assert "avd_network" not in objective.networks
