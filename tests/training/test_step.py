"""A batch in portions is the step of the whole batch; networks have rates of their own, or stay as they are."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_methods import SMALL
from small_training import CPU, EPOCH, NAMES, make_trainer, pictures, precise
from torch import nn
from toy_training import SIZE, Toy, adversarial, small_tpsm, tiny

from talkbench.core.errors import TalkbenchError
from talkbench.training import optimisers
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data.feed import Batches
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer, TrainProgress
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.world import World

BATCH = 4


@pytest.fixture(autouse=True)
def _no_denormal_numbers() -> Iterator[None]:
    """As in `bench train`; they would take most of the time."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


class Heard(TrainProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def trainer(folder: Path, progress: TrainProgress | None = None, make=adversarial, **changes: object) -> Trainer:
    torch.manual_seed(0)
    usual = {"epochs": 3, "repeats": 4, "batch_size": BATCH, "jitter": 0.0, "validation": 0, "sampling": "clip"}
    usual |= {"weights": {"adversarial": 1}} if make is adversarial else {}
    config = TrainConfig(**{"method": "mcnet@demo", "dataset": "toy", **usual, **changes})
    pairs, world = FramePairs(Toy(), config, SIZE), World(CPU)
    return Trainer(make(), config, pairs, folder, MultiScaleL1(), world, LoopOptions(), progress or TrainProgress())


def gradients(running: Trainer) -> dict[str, torch.Tensor]:
    parameters = dict(running.objective.named_parameters())
    return {name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None}


def same(first: nn.Module, second: nn.Module) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(value, two[key]) for key, value in one.items())


@pytest.mark.parametrize("name", NAMES)
def test_portions_of_every_objective_are_the_whole_batch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, without what depends on the others in a portion: losses, gradients, weights."""
    monkeypatch.setitem(SMALL, "tpsm", small_tpsm)  # the other takes long in float64
    steps = []
    with precise():
        for accumulate in (1, 2):
            changes = {"accumulate": accumulate, "norms": "running", "optimiser": "sgd"}
            running = make_trainer(name, tmp_path, lr=1e-5, **changes)
            running.objective.train()
            now = EPOCH * running.batches.per_epoch
            losses, norm = running.learner.teach(pictures(running.method.resolution), now)
            slopes = {key: slope.clone() for key, slope in gradients(running).items()}
            running.learner.update(now)
            steps.append(({**losses, "norm": norm}, slopes, running.objective.state_dict()))
    (whole, slopes, weights), (parts, own_slopes, own_weights) = steps
    assert parts == pytest.approx(whole, rel=1e-8)
    assert own_slopes.keys() == slopes.keys()
    scale = max(slope.abs().max() for slope in slopes.values())
    assert all((own_slopes[key] - slope).abs().max() < 1e-8 * scale for key, slope in slopes.items())
    for key, value in weights.items():
        torch.testing.assert_close(own_weights[key], value, rtol=1e-8, atol=1e-8, msg=key)


def test_portions_are_normalised_by_themselves_aloud(tmp_path: Path) -> None:
    images = torch.randint(256, (BATCH, 2, 3, SIZE, SIZE), dtype=torch.uint8)
    heard, statistics = Heard(), []
    for accumulate in (1, 2):
        running = trainer(tmp_path, heard, accumulate=accumulate)
        running.objective.train()
        running.learner.teach(images, 0)
        state = running.networks["generator"].state_dict()
        statistics.append([value for key, value in state.items() if key.startswith("first.norm.")])
    assert len(heard.said) == 1
    assert "accumulate 2: batch norm has the statistics of each portion" in heard.said[0]
    # The first layer's mean over the batch is the mean of the portions', by the momentum of one step.
    (_, _, mean, _, count), (_, _, own_mean, _, own_count) = statistics
    torch.testing.assert_close(own_mean, mean)
    assert own_count == count == 1
    heard = Heard()
    trainer(tmp_path, heard, accumulate=2, norms="running")
    assert heard.said == []


def test_running_norms_stay(tmp_path: Path) -> None:
    running = trainer(tmp_path, steps=2, accumulate=2, norms="running")
    before = {key: value.clone() for key, value in running.networks.state_dict().items()}
    running.run()
    changed = {key for key, value in running.networks.state_dict().items() if not torch.equal(value, before[key])}
    assert not any("running" in key or "num_batches" in key for key in changed)
    assert "generator.first.norm.weight" in changed


@pytest.mark.parametrize(
    ("batch", "size", "accumulate", "message"),
    [
        (12, 1, 5, "accumulate 5 does not divide a batch of 12: take 4 or 6"),
        (12, 2, 4, "accumulate 4 does not divide the 6 pairs that each of 2 processes has: take 3 or 6"),
        (4, 1, 8, "accumulate 8 does not divide a batch of 4: take 4$"),
    ],
)
def test_portions_that_do_not_divide(batch: int, size: int, accumulate: int, message: str) -> None:
    config = TrainConfig(method="m", dataset="d", epochs=1, batch_size=batch, accumulate=accumulate)
    with pytest.raises(TalkbenchError, match=f"training config: {message}"):
        Batches(100, config, size=size)


def test_one_pair_that_batch_norm_cannot_take(tmp_path: Path) -> None:
    running = trainer(tmp_path, make=small_tpsm, method="tpsm@demo", stage="avd", accumulate=BATCH)
    with pytest.raises(TalkbenchError, match=r"batch norm needs more than the one pair.* smaller accumulate, or norms"):
        running.run()


CURVES = {
    "milestones": ({"milestones": [1, 2]}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
    "warmup": ({"warmup": 4, "milestones": [2]}, [0.25, 0.5, 0.75, 1, 0.1, 0.1]),
    "cosine": ({"schedule": "cosine"}, [1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873]),
    "both": ({"schedule": "cosine", "warmup": 2, "end_factor": 0.1}, [0.5, 1, 1, 0.8681981, 0.55, 0.2318019]),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_rate_is_a_function_of_the_step(name: str, tmp_path: Path) -> None:
    changes, curve = CURVES[name]
    running = trainer(tmp_path, lr=1e-3, rates={"generator": 1e-4, "discriminator": 1e-5}, **changes)
    for step, factor in enumerate(curve):
        assert running.learner.rates(step) == pytest.approx(
            {"kp_detector": 1e-3 * factor, "generator": 1e-4 * factor, "discriminator": 1e-5 * factor}
        )


def test_networks_learn_by_their_own_rates(tmp_path: Path) -> None:
    """Adam's first step is as long as the rate."""
    running = trainer(tmp_path, steps=1, clip_grad=None, rates={"generator": 1e-5, "discriminator": 1e-6})
    networks = {**running.networks, **running.opponents}
    before = {name: [p.detach().clone() for p in network.parameters()] for name, network in networks.items()}
    running.run()
    for name, rate in {"kp_detector": 2e-4, "generator": 1e-5, "discriminator": 1e-6}.items():
        pairs = zip(before[name], networks[name].parameters(), strict=True)
        assert max((old - new).abs().max().item() for old, new in pairs) == pytest.approx(rate, rel=2e-2)


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate": 2, "norms": "running"},
        {"accumulate": 2, "warmup": 3, "ema": 0.5},
        {"schedule": "cosine", "warmup": 2, "rates": {"generator": 1e-4}, "freeze": ["kp_detector"]},
    ],
)
def test_a_continued_training_gives_the_same_weights(tmp_path: Path, changes: dict[str, object]) -> None:
    whole, begun = trainer(tmp_path / "whole", **changes), trainer(tmp_path / "begun", **changes)
    whole.run()
    begun.batches.total = 4
    begun.run()
    rest = trainer(tmp_path / "begun", **changes)
    assert rest.step == 4
    rest.run()
    assert same(whole.objective, rest.objective)


def test_a_cosine_does_not_continue_to_another_end(tmp_path: Path) -> None:
    trainer(tmp_path, make=tiny, schedule="cosine", epochs=1).run()
    with pytest.raises(TalkbenchError, match=r"another config \(epochs: 1, now 2\)"):
        trainer(tmp_path, make=tiny, schedule="cosine", epochs=2)


def test_milestones_beside_a_cosine_are_told(tmp_path: Path) -> None:
    heard = Heard()
    trainer(tmp_path, heard, schedule="cosine", milestones=[1])
    assert heard.said == ["schedule cosine: the milestones have no effect"]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("steps", [0, 2])
def test_a_step_that_the_device_leaves_out_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str, steps: int
) -> None:
    """As on CUDA, where the update is begun before the host waits for the losses; after no steps and some."""
    plain = trainer(tmp_path / "plain", make=tiny, optimiser=optimiser, ema=0.5, warmup=5)
    make = optimisers.make_optimiser
    monkeypatch.setattr(optimisers, "make_optimiser", lambda *of: make(*of[:2], torch.device("cuda")))
    fused = trainer(tmp_path / "fused", make=tiny, optimiser=optimiser, ema=0.5, warmup=5)
    images = torch.randint(256, (BATCH, 2, 3, SIZE, SIZE), dtype=torch.uint8)
    for step in range(steps):
        taught = [running.learner.learn(images, step, math.nan) for running in (plain, fused)]
        assert [each.sound for each in taught] == [True, True]
        assert taught[1].losses == pytest.approx(taught[0].losses, rel=1e-4)
    before, log = copy.deepcopy(fused.learner.state()), list[str]()
    fused.learner.optimisers[-1].register_step_post_hook(lambda *_: log.append("update"))
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: (log.append("wait"), tolist(self))[1])
    taught = fused.learner.learn(images, steps, 1e-9)
    assert log == ["update", "wait"]
    assert not taught.sound
    torch.testing.assert_close(fused.learner.state(), before, rtol=0, atol=0)
    assert fused.learner.learn(images, steps, math.nan).sound


def test_frozen_networks_stay_to_the_bit(tmp_path: Path) -> None:
    running = trainer(tmp_path, steps=2, freeze=["kp_detector"], weight_decay=0.1, ema=0.9)
    before = {key: value.clone() for key, value in running.networks.state_dict().items()}
    running.run()
    running.objective.train()
    assert not any(module.training for module in running.networks["kp_detector"].modules())
    states = running.states()
    assert all(torch.equal(value, before[f"kp_detector.{key}"]) for key, value in states["kp_detector"].items())
    assert not all(torch.equal(value, before[f"generator.{key}"]) for key, value in states["generator"].items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ["kp_detectr"]}, "freeze: there is no network kp_detectr: did you mean kp_detector"),
        ({"freeze": ["kp_detector", "generator"]}, "freeze: no network is left that learns"),
        ({"rates": {"genrator": 1e-4}}, "rates: no network genrator learns in mcnet@demo: did you mean generator"),
        (
            {"rates": {"kp_detector": 1e-4}, "freeze": ["kp_detector"]},
            "rates: no network kp_detector learns in mcnet@demo",
        ),
        ({"warmup": 6}, "the warm-up of 6 steps does not end in this training, which has 6"),
    ],
)
def test_entries_that_fit_no_training(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TalkbenchError, match=f"^training config: {message}") as caught:
        trainer(tmp_path, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("accumulate", 0, "accumulate: Input should be greater than 0"),
        ("accumulate", -2, "accumulate: Input should be greater than 0"),
        ("warmup", -1, "warmup: Input should be greater than or equal to 0"),
        ("schedule", "cosin", "schedule: Input should be 'milestones' or 'cosine'"),
        ("end_factor", 1, "end_factor: Input should be less than 1"),
        ("rates.generator", 0, "rates.generator: Input should be greater than 0"),
        ("rates.generator", True, "rates: a number is needed, not true or false"),
        ("rates.generator", float("nan"), "rates.generator: Input should be"),
        ("rates", 3, "rates: Input should be a valid dictionary"),
        ("freeze", "generator", r"freeze: a list is meant: freeze=\[generator\]"),
        ("norms", "frozen", "norms: Input should be 'batch' or 'running'"),
    ],
)
def test_values_that_make_no_sense(key: str, value: object, message: str) -> None:
    with pytest.raises(TalkbenchError, match=f"^training config mcnet/demo: {message}"):
        load_config("mcnet/demo", {key: value})


def test_states_of_every_so_many_epochs_are_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TrainConfig(method="mcnet@demo", dataset="toy", epochs=6, repeats=1, batch_size=2, jitter=0, validation=0)
    pairs = FramePairs(Toy(), config, SIZE)
    options = LoopOptions(keep_every=2, save_minutes=1e-9)
    Trainer(tiny(), config, pairs, tmp_path, MultiScaleL1(), World(CPU), options, TrainProgress()).run()
    assert sorted(int(path.stem) for path in (tmp_path / "state").iterdir()) == [2, 4, 5, 6]
