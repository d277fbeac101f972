"""What holds for every objective: all of its terms teach, all that can learn is taught, and a batch that is repeated is
learned."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_methods import small
from torch import Tensor
from toy_training import Toy

from talkbench.training import objectives
from talkbench.training.config import LossWeights, TrainConfig
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer, TrainProgress
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.objectives.objective import Objective
from talkbench.training.state.draw import Draw
from talkbench.training.world import World

CPU = torch.device("cpu")
NAMES = sorted(objectives.registry.names())
EPOCH = 12  # in which all that has a schedule takes part
STEPS = 5
# Objectives that stop no gradient but that of what they compare with, so that finite differences are the gradient.
SMOOTH = ("facevid2vid", "fomm", "mraa", "x2face")


class PreciseDraw(Draw):
    """Of float64."""

    def normal(self, *shape: int) -> Tensor:
        return super().normal(*shape).double()


@pytest.fixture(autouse=True)
def _no_denormal_numbers() -> Iterator[None]:
    """As in `bench train`; they would take most of the time."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def make_trainer(name: str, folder: Path, **changes: object) -> Trainer:
    method = small(name)
    chosen = {"batch_size": 2, "jitter": 0, "validation": 0, "lr": 1e-3, **changes}
    config = TrainConfig(method=method.name, dataset="toy", epochs=EPOCH + 1, **chosen)
    pairs, image_loss = FramePairs(Toy(), config, method.resolution), image_loss_of(name)
    trainer = Trainer(method, config, pairs, folder, image_loss, World(CPU), LoopOptions(), TrainProgress())
    trainer.step = EPOCH * trainer.batches.per_epoch
    trainer.networks.train()
    return trainer


def image_loss_of(name: str) -> torch.nn.Module:
    return torch.nn.L1Loss() if objectives.registry.get(name).plain else MultiScaleL1()


def pictures(size: int, count: int = 2) -> Tensor:
    """Smooth pairs, uint8 (count, 2, 3, size, size)."""
    coarse = torch.rand(2 * count, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return (255 * smooth.clamp(0, 1)).round().byte().unflatten(0, (count, 2))


@pytest.mark.parametrize("name", NAMES)
def test_a_repeated_batch_is_learned(name: str, tmp_path: Path) -> None:
    trainer = make_trainer(name, tmp_path)
    images, totals = pictures(trainer.method.resolution), []
    for step in range(STEPS):
        losses = trainer.losses(images)
        assert all(math.isfinite(term.item()) for term in losses.values()), losses
        losses["total"].backward()
        if step == 0:
            untaught = [key for key, value in trainer.networks.named_parameters() if value.grad is None]
            assert untaught == []
        assert math.isfinite(trainer.clip().item())
        trainer.update()
        totals.append(losses["total"].item())
    assert totals[-1] < 0.97 * totals[0]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_finite_differences(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum of all terms, in float64, along a random direction in the space of all weights."""
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)  # networks leave half precision by it
    objective = objectives.create(small(name), image_loss_of(name), LossWeights()).double().eval()
    images = pictures(64 if name != "x2face" else 32).double() / 255
    random = objective.random(PreciseDraw(0, 0, 2, 0, 2, CPU, EPOCH))
    randomly = torch.Generator().manual_seed(2)
    parameters = list(objective.networks.parameters())
    direction = [torch.randn(p.shape, generator=randomly, dtype=p.dtype) * p.abs().mean() for p in parameters]
    total(objective, images, random).backward()
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, direction, strict=True))
    with torch.no_grad():
        values = []
        for step in (1e-7, -2e-7):
            torch._foreach_add_(parameters, direction, alpha=step)
            values.append(total(objective, images, random))
    assert slope.item() == pytest.approx((values[0] - values[1]).item() / 2e-7, rel=1e-3)


def total(objective: Objective, images: Tensor, random: object) -> Tensor:
    terms = objective.terms(images[:, 0], images[:, 1], random)
    return torch.stack([getattr(objective.weights, name) * term for name, term in terms.items()]).sum()
