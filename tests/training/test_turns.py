"""Steps of two turns on a toy: the method's networks, then a discriminator."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_training import SIZE, Judge, Toy, adversarial, tiny

from talkbench.core.errors import TalkbenchError
from talkbench.training.beginning import load_opponents
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.progress import TrainProgress
from talkbench.training.world import World


def config(**changes: object) -> TrainConfig:
    usual = {"epochs": 3, "repeats": 2, "batch_size": 2, "jitter": 0.0, "validation": 0, "sampling": "clip"}
    return TrainConfig(method="mcnet@demo", dataset="toy", **{**usual, "weights": {"adversarial": 1}, **changes})


def trainer(folder: Path, progress: TrainProgress | None = None, make=adversarial, **changes: object) -> Trainer:
    torch.manual_seed(0)
    chosen, world = config(**changes), World(torch.device("cpu"))
    pairs = FramePairs(Toy(), chosen, SIZE)
    shown = progress or TrainProgress()
    return Trainer(make(), chosen, pairs, folder, MultiScaleL1(), world, LoopOptions(), shown)


def copies(network: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, first, second))


def images() -> torch.Tensor:
    return torch.randint(256, (2, 2, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_each_turn_teaches_its_own_networks(tmp_path: Path) -> None:
    running = trainer(tmp_path)
    running.objective.train()
    judge = running.opponents["discriminator"]
    turns = running.learner.passes(images(), 0)
    first = next(turns)
    assert {"adversarial", "feature_matching", "consistency"} < first.keys()
    first["total"].backward()
    assert all(parameter.grad is None for parameter in judge.parameters())
    before = [parameter.grad.clone() for parameter in running.networks.parameters()]
    second = next(turns)
    assert list(second) == ["discriminator", "total"]
    second["total"].backward()
    assert same(before, [parameter.grad for parameter in running.networks.parameters()])
    assert all(parameter.grad.abs().sum() > 0 for parameter in judge.parameters())
    assert next(turns, None) is None
    assert all(parameter.requires_grad for parameter in (*judge.parameters(), *running.networks.parameters()))


def test_the_discriminator_sees_the_prediction_that_it_taught(tmp_path: Path) -> None:
    """Its loss is that of the images of the first turn, which nobody has computed again."""
    running = trainer(tmp_path)
    running.objective.train()
    seen = []
    running.opponents["discriminator"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    calls = []
    running.networks["generator"].register_forward_hook(lambda *_: calls.append(1))
    for losses in running.learner.passes(images(), 0):
        losses["total"].backward()
    (fake, keypoints), (real, _), *again = seen
    assert fake.requires_grad
    assert not any(tensor.requires_grad for tensor in (keypoints, real))
    assert [[torch.equal(*pair) for pair in zip(inputs, wanted, strict=True)] for inputs, wanted in zip(
        again, ((fake, keypoints), (real, keypoints)), strict=True)] == [[True, True]] * 2  # fmt: skip
    assert not again[0][0].requires_grad
    assert len(calls) == 1


def test_turns_have_settings_of_their_own(tmp_path: Path) -> None:
    own = {"lr": 1e-5, "betas": [0.0, 0.9], "milestones": [1]}
    running = trainer(tmp_path, steps=1, clip_grad=None, turns={"discriminator": own})
    judge = running.opponents["discriminator"]
    before, generator = copies(judge), copies(running.networks["generator"])
    running.run()
    steps = [(old - new).abs().max().item() for old, new in zip(before, judge.parameters(), strict=True)]
    assert max(steps) == pytest.approx(1e-5, rel=1e-2)
    moved = [(old - new).abs().max().item() for old, new in zip(
        generator, running.networks["generator"].parameters(), strict=True)]  # fmt: skip
    assert max(moved) == pytest.approx(2e-4, rel=1e-2)
    assert running.config.turn("discriminator").clip_grad is None
    assert running.learner.rates(2)["discriminator"] == pytest.approx(1e-6)


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_continued_training_gives_the_same_weights(tmp_path: Path, ema: float | None) -> None:
    class Killed(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == 3:
            raise Killed

    whole, part = trainer(tmp_path / "whole", ema=ema), trainer(tmp_path / "part", ema=ema)
    whole.run()
    part.progress.step = stop
    with pytest.raises(Killed):
        part.run()
    rest = trainer(tmp_path / "part", ema=ema)
    assert (rest.step, rest.continued, whole.continued) == (2, True, False)
    rest.run()
    for name, state in whole.states().items():
        for key, value in state.items():
            assert torch.equal(rest.states()[name][key], value), key
    judges = [run.opponents["discriminator"].state_dict() for run in (whole, rest)]
    assert "first.weight_u" in judges[0]
    assert all(torch.equal(judges[1][key], value) for key, value in judges[0].items())


def test_a_discriminators_loss_that_is_not_finite_leaves_no_trace(tmp_path: Path) -> None:
    stopped = trainer(tmp_path)
    judge = stopped.turns[1].terms

    def spoil(step: int, *_: object) -> None:
        if step == 3:
            stopped.turns[1].terms = lambda *arguments: (
                {"discriminator": judge(*arguments)[0]["discriminator"] * float("nan")},
                None,
            )

    stopped.progress.step = spoil
    with pytest.raises(TalkbenchError, match="at step 3, usually"):
        stopped.run()
    state = torch.load(tmp_path / "state" / "00000003.pt", weights_only=True)
    rest = trainer(tmp_path)
    rest.run()
    whole = trainer(tmp_path / "whole")
    whole.run()
    assert all(value.isfinite().all() for value in state["opponents"].values())
    assert same(copies(rest.networks), copies(whole.networks))
    assert same(copies(rest.opponents), copies(whole.opponents))


def test_the_weights_have_the_discriminator_as_a_part(tmp_path: Path) -> None:
    running = trainer(tmp_path, steps=1)
    running.run()
    path = tmp_path / "weights.safetensors"
    running.write_weights(path, {})
    judge = running.opponents["discriminator"].state_dict()
    stored = {key: value for key, value in load_file(path).items() if key.startswith("discriminator/")}
    assert stored.keys() == {f"discriminator/{key}" for key in judge}
    said: list[str] = []
    fresh = torch.nn.ModuleDict({"discriminator": Judge()})
    load_opponents(fresh, path, "mcnet@demo", said.append)
    assert said == []
    assert all(torch.equal(fresh["discriminator"].state_dict()[key], value) for key, value in judge.items())


def test_a_checkpoint_without_a_discriminator_is_told(tmp_path: Path) -> None:
    running = trainer(tmp_path, make=tiny, weights={}, steps=1)
    running.run()
    path = tmp_path / "weights.safetensors"
    running.write_weights(path, {})
    said: list[str] = []
    judge = torch.nn.ModuleDict({"discriminator": Judge()})
    load_opponents(judge, path, "mcnet@demo", said.append)
    assert said == [f"{path} has no discriminator: a fresh one learns against networks that are trained already"]
    torch.save({"discriminator": {"x": torch.zeros(2)}}, path)
    load_opponents(judge, path, "mcnet@demo", said.append)
    assert "is of another kind (8 missing keys" in said[1]
    assert said[1].endswith("a fresh one learns in its place")
    load_opponents(torch.nn.ModuleDict(), path, "mcnet@demo", said.append)
    assert len(said) == 2


def test_a_method_without_discriminator_has_no_adversarial_term(tmp_path: Path) -> None:
    def bare():
        method = tiny()
        method.discriminator = lambda: None
        return method

    with pytest.raises(TalkbenchError, match=r"has no discriminator; leave weights.adversarial out of its recipe"):
        trainer(tmp_path, make=bare)


def test_a_turn_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(
        TalkbenchError, match="there is no turn discriminater in mcnet@demo: did you mean discriminator"
    ):
        trainer(tmp_path, turns={"discriminater": {"lr": 1e-4}})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("turns.discriminator.lr", 0, "turns.discriminator.lr: Input should be greater than 0"),
        ("turns.discriminator.lrr", 1, "there is no entry turns.discriminator.lrr: did you mean lr"),
        ("turns", 3, "turns: Input should be a valid dictionary"),
        ("betas", [0.5], "betas.1: Field required"),
        ("betas", [0.5, 1.0], "betas.1: Input should be less than 1"),
    ],
)
def test_settings_that_make_no_sense(key: str, value: object, message: str) -> None:
    with pytest.raises(TalkbenchError, match=f"^training config fomm/vox-adv: {message}"):
        load_config("fomm/vox-adv", {key: value})


def test_a_turn_is_optimised_as_the_recipe_says_but_for_its_own_entries() -> None:
    changed = load_config("fomm/vox-adv", {"lr": 1e-3, "turns.discriminator.betas": [0, 0.9]})
    assert (changed.turn("discriminator").lr, changed.turn("discriminator").betas) == (1e-3, (0.0, 0.9))
    assert changed.turn("generator").betas == (0.5, 0.999)


def test_a_state_of_before_there_were_turns_is_continued(tmp_path: Path) -> None:
    whole, begun = (trainer(tmp_path / name, make=tiny, weights={}) for name in ("whole", "begun"))
    whole.run()
    begun.batches.total = 2
    begun.run()
    path = tmp_path / "begun" / "state" / "00000002.pt"
    state = torch.load(path, weights_only=True)
    del (
        state["opponents"],
        state["config"]["turns"],
        state["config"]["stage"],
        state["config"]["weights"]["adversarial"],
    )
    state["optimiser"] = state.pop("optimisers")["generator"]
    torch.save(state, path)
    rest = trainer(tmp_path / "begun", make=tiny, weights={})
    assert rest.step == 2
    rest.run()
    assert same(copies(rest.networks), copies(whole.networks))
