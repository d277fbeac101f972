"""What holds for every objective: all of its terms teach, all that can learn is taught, a batch that is repeated is
learned, two processes are as one, and training goes on as if it had not stopped."""

import json
import math
import socket
from collections.abc import Iterator
from pathlib import Path

import forked
import pytest
import small_training
import torch
from small_training import CPU, EPOCH, NAMES, make_trainer, pictures, precise, step
from torch import Tensor

from talkbench.training.objectives.objective import Objective
from talkbench.training.state.draw import Draw

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


@pytest.mark.parametrize("name", NAMES)
def test_a_repeated_batch_is_learned(name: str, tmp_path: Path) -> None:
    trainer = make_trainer(name, tmp_path, optimiser="adam", lr=1e-3)
    images, totals = pictures(trainer.method.resolution), []
    learned = [parameter for turn in trainer.turns for parameter in turn.learned]
    before = [parameter.detach().clone() for parameter in learned]
    for _ in range(STEPS):
        losses = step(trainer, images)
        assert all(map(math.isfinite, losses.values())), losses
        assert [parameter.shape for parameter in learned if parameter.grad is None] == []
        trainer.learner.update(trainer.step)
        totals.append(losses["total"])
    assert totals[-1] < 0.97 * totals[0]
    assert not any(map(torch.equal, learned, before))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_goes_on_as_if_it_had_not_stopped(name: str, tmp_path: Path) -> None:
    for folder, ends in (("whole", (2,)), ("parts", (1, 2))):
        for end in ends:
            trainer = make_trainer(name, tmp_path / folder, epochs=1, repeats=8, steps=end)
            trainer.run()
    states = (tmp_path / folder / "state" / "00000002.pt" for folder in ("whole", "parts"))
    whole, parts = (torch.load(state, weights_only=True) for state in states)
    for group in ("networks", "opponents"):
        assert whole[group].keys() == parts[group].keys()
        assert all(torch.equal(value, parts[group][key]) for key, value in whole[group].items())


def test_two_processes_take_the_same_step_as_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    together = [forked.start(small_training.main, **meeting, RANK=rank, LOCAL_RANK=rank) for rank in (0, 1)]
    printed, silence = (training.printed.read() for training in together)
    for training in together:
        training.process.join(240)
    assert [training.process.exitcode for training in together] == [0, 0]
    assert silence == ""
    shared = {name: json.loads(losses) for name, losses in (line.split(" ", 1) for line in printed.splitlines())}
    assert list(shared) == NAMES
    for name, two in shared.items():
        with precise():
            trainer = make_trainer(name, tmp_path / name, clip_grad=None)
            one = step(trainer, pictures(trainer.method.resolution))
        assert two == pytest.approx(one, rel=1e-6), name


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_finite_differences(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum of all terms, in float64, along a random direction in the space of all weights."""
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)  # networks leave half precision by it
    trainer = make_trainer(name, tmp_path)
    objective = trainer.objective.double().eval()
    images = pictures(trainer.method.resolution).double() / 255
    random = objective.random(PreciseDraw(0, 0, 2, 0, 2, CPU, EPOCH))
    randomly = torch.Generator().manual_seed(2)
    parameters = trainer.turns[0].learned
    direction = [torch.randn(p.shape, generator=randomly, dtype=p.dtype) * p.abs().mean() for p in parameters]
    total(objective, images, random).backward()
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, direction, strict=True))
    with torch.no_grad():
        values = []
        for change in (1e-7, -2e-7):
            torch._foreach_add_(parameters, direction, alpha=change)
            values.append(total(objective, images, random))
    assert slope.item() == pytest.approx((values[0] - values[1]).item() / 2e-7, rel=1e-3)


def total(objective: Objective, images: Tensor, random: object) -> Tensor:
    losses, _ = objective.turns()[0](images[:, 0], images[:, 1], random, None)
    return losses["total"]
