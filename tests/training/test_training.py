"""The parts of training on small inputs, and the loop on a toy data set."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_session import run_session
from toy_training import FRAMES, SIZE, Toy, tiny

from talkbench.core.errors import TalkbenchError
from talkbench.methods.cards import full_name
from talkbench.methods.checkpoints import read_metadata
from talkbench.methods.keypoints import Keypoints
from talkbench.methods.loading import load_networks
from talkbench.training import session
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data.feed import Batches
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1, equivariance, keypoint_distance
from talkbench.training.objectives.transform import EquivarianceTransform
from talkbench.training.progress import TrainProgress
from talkbench.training.session import TrainOptions
from talkbench.training.state.draw import Draw
from talkbench.training.world import World


def config(**changes: object) -> TrainConfig:
    chosen = {"epochs": 2, "repeats": 2, "batch_size": 2, "jitter": 0.0, "validation": 0, "sampling": "clip", **changes}
    return TrainConfig(method="mcnet@demo", dataset="toy", **chosen)


def pairs(**changes: object) -> FramePairs:
    return FramePairs(Toy(), config(**changes), SIZE)


def trainer(folder: Path, progress: TrainProgress | None = None, **changes: object) -> Trainer:
    torch.manual_seed(0)
    method, world = tiny(), World(torch.device("cpu"))
    chosen = config(**changes)
    frames = FramePairs(Toy(), chosen, SIZE)
    return Trainer(method, chosen, frames, folder, MultiScaleL1(), world, LoopOptions(), progress or TrainProgress())


def test_jacobian_of_the_transform_is_its_derivative() -> None:
    transform = EquivarianceTransform.random(Draw(0, 0, 2, 0, 2, torch.device("cpu"), 0))
    points = torch.rand(2, 7, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    wanted = torch.autograd.functional.jacobian(lambda p: transform.warp_points(p).sum((0, 1)), points)
    torch.testing.assert_close(transform.jacobian(points), wanted.permute(1, 2, 0, 3), rtol=1e-4, atol=1e-5)


def test_half_precision_moves_no_point() -> None:
    transform = EquivarianceTransform.random(Draw(0, 0, 2, 0, 2, torch.device("cpu"), 0))
    points, matrix = torch.rand(2, 7, 2), torch.eye(2).expand(2, 7, 2, 2) + 0.1
    keypoints = Keypoints(points, matrix)

    def computed() -> list[torch.Tensor]:
        return [transform.warp_points(points), *equivariance(keypoints, keypoints, transform)]

    precise = computed()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(computed(), precise, rtol=0, atol=0)


def test_the_identity_transform_moves_nothing_inside() -> None:
    transform = EquivarianceTransform(torch.eye(2, 3)[None], torch.zeros(1, 25))
    points = torch.tensor([[[0.2, -0.4]]])
    torch.testing.assert_close(transform.warp_points(points), points)


def test_keypoint_distance_counts_close_pairs() -> None:
    near = torch.tensor([[[0.0, 0.0], [0.1, 0.0], [0.9, 0.9]]])
    assert keypoint_distance(near).item() == pytest.approx(2 * 2 / 9)  # two ordered pairs of nine, each worth 2
    assert keypoint_distance(near * 5).item() == 0


def test_multi_scale_l1_of_a_constant_difference() -> None:
    loss = MultiScaleL1()
    first, second = torch.zeros(1, 3, 128, 128), torch.full((1, 3, 128, 128), 0.5)
    assert loss(first, first).item() == 0
    assert 1.5 < loss(first, second).item() <= 2.0  # four scales; the filters lose a little at the border


def test_every_sample_is_a_function_of_seed_epoch_and_index() -> None:
    first, second = pairs(jitter=0.1), pairs(jitter=0.1)
    later = [first[1, index] for index in (3, 0, 2)][-1]
    assert torch.equal(second[1, 2][0], later[0])
    assert second[1, 2][1] == later[1]
    assert not torch.equal(pairs(seed=4)[0, 0][0], pairs()[0, 0][0])


@pytest.mark.parametrize("sampling", ["identity", "clip", "frame"])
def test_pairs_are_of_one_clip_and_of_allowed_frames(sampling: str) -> None:
    seen = set()
    found = pairs(sampling=sampling)
    for index in range(40):
        clips = []
        for image in found[0, index][0]:
            clip = "b" if image[1].max() > 100 else "a"
            assert round(image[0, 0, 0].item() / 10) in FRAMES[clip]
            clips.append(clip)
        assert len(set(clips)) == 1
        seen.add(clips[0])
    assert seen == {"a", "b"}


def test_every_person_has_their_turns() -> None:
    found = FramePairs(Toy({"a1": [0, 1], "a2": [2, 3], "b": [4, 5]}), config(sampling="identity", repeats=3), SIZE)
    assert len(found) == 6
    clips = [found[0, index][1].split()[0] for index in range(6)]
    assert [clip[0] for clip in clips] == ["a", "b"] * 3


def test_a_frame_that_cannot_be_read_is_passed_over_aloud() -> None:
    found = FramePairs(Toy(broken=[("a", 1)]), config(), SIZE)
    faults = {found[epoch, 0][2] for epoch in range(20)}
    assert "" in faults
    assert any("a 1 is damaged" in fault for fault in faults)
    assert all(" 1 " not in found[epoch, 0][1] for epoch in range(20))


def test_data_that_cannot_be_read_at_all_is_an_error() -> None:
    everything = [(clip, number) for clip, numbers in FRAMES.items() for number in numbers]
    with pytest.raises(TalkbenchError, match=r"10 frames in a row cannot be read, the last: .* is damaged"):
        FramePairs(Toy(broken=everything), config(), SIZE)[0, 0]


def test_an_epoch_has_every_sample_once_whoever_asks() -> None:
    chosen = config(batch_size=4)
    steps = list(Batches(10, chosen))
    assert len(steps) == 4
    first = [item for step in steps[:2] for item in step]
    assert {epoch for epoch, _ in first} == {0}
    assert len({index for _, index in first}) == 8
    assert list(Batches(10, chosen, start=3)) == steps[3:]
    shares = [list(Batches(10, chosen, rank=rank, size=2)) for rank in (0, 1)]
    assert [left + right for left, right in zip(*shares, strict=True)] == steps


def test_a_batch_that_no_epoch_fills_or_that_does_not_share_is_refused() -> None:
    with pytest.raises(TalkbenchError, match="does not fill a batch of 8; raise repeats"):
        Batches(7, config(batch_size=8))
    with pytest.raises(TalkbenchError, match="a batch of 3 does not divide evenly among 2 processes"):
        Batches(7, config(batch_size=3), size=2)


def test_jitter_without_torchvision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talkbench.training.data.pairs.find_spec", lambda name: None)
    with pytest.raises(TalkbenchError, match=r"needs torchvision: pip install 'talkbench\[full\]'"):
        pairs(jitter=0.1)


def test_training_lowers_the_loss_and_logs(tmp_path: Path) -> None:
    seen: list[float] = []
    progress = TrainProgress()
    progress.step = lambda _step, _total, _images, losses: seen.append(losses["reconstruction"])
    trainer(tmp_path, progress, epochs=10).run()
    assert np.mean(seen[-5:]) < 0.8 * np.mean(seen[:3])
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(entry["step"], entry["epoch"]) for entry in logged] == [(2 * epoch, epoch) for epoch in range(1, 11)]


class Killed(Exception):
    pass


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_continued_training_gives_the_same_weights(tmp_path: Path, ema: float | None) -> None:
    whole = trainer(tmp_path / "whole", ema=ema)
    whole.run()
    part = trainer(tmp_path / "part", ema=ema)

    def stop(step: int, *_: object) -> None:
        if step == 3:
            raise Killed

    part.progress.step = stop
    with pytest.raises(Killed):
        part.run()
    rest = trainer(tmp_path / "part", ema=ema)
    assert rest.step == 2  # the end of the first epoch
    rest.run()
    for name, state in whole.states().items():
        for key, value in state.items():
            assert torch.equal(rest.states()[name][key], value), key


def test_an_average_is_what_comes_out(tmp_path: Path) -> None:
    plain, average = trainer(tmp_path / "a", steps=2), trainer(tmp_path / "b", steps=2, ema=0.5)
    start = {key: value.clone() for key, value in plain.states()["generator"].items()}
    plain.run()
    average.run()
    key = "final.weight"
    last = plain.states()["generator"][key]
    assert torch.equal(average.networks["generator"].state_dict()[key], last)
    between = average.states()["generator"][key]
    assert not torch.equal(between, last)
    assert ((between - start[key]).norm() < (last - start[key]).norm()).item()


def test_another_config_does_not_continue_but_more_epochs_do(tmp_path: Path) -> None:
    trainer(tmp_path, steps=1).run()
    with pytest.raises(TalkbenchError, match=r"another config \(lr: 0.0002, now 0.001\)"):
        trainer(tmp_path, steps=1, lr=1e-3)
    assert trainer(tmp_path, epochs=3).step == 1


def test_a_loss_that_is_not_finite_stops_with_the_batch_and_the_state(tmp_path: Path) -> None:
    broken = trainer(tmp_path)
    with torch.no_grad():
        broken.networks["generator"].final.bias.fill_(float("nan"))
    with pytest.raises(
        TalkbenchError, match=r"the loss is nan at step 0.*the batch was: . \d and \d, . \d and \d; take"
    ):
        broken.run()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["00000000.pt"]


def test_a_gradient_that_is_not_finite_stops_before_it_is_applied(tmp_path: Path) -> None:
    running = trainer(tmp_path, clip_grad=None)
    bias = running.networks["generator"].final.bias
    before = bias.detach().clone()
    bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TalkbenchError, match=r"at step 0, .*its gradient's norm (inf|nan)"):
        running.run()
    assert torch.equal(bias, before)


def test_an_exploding_loss_stops(tmp_path: Path) -> None:
    running = trainer(tmp_path, epochs=3)

    def explode(step: int, *_: object) -> None:
        if step == 2:
            running.objective.weights.reconstruction = 1e5

    running.progress.step = explode
    with pytest.raises(TalkbenchError, match="at step 2, usually"):
        running.run()


def test_the_shipped_recipe_is_valid() -> None:
    assert load_config("mcnet/demo").method == "mcnet@demo"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: mcnet@demo\ndataset: demo\nepochs: many\nbatch_size: 2", "epochs: Input should be a valid integer"),
        ("method: mcnet@demo\ndataset: demo\nepochs: 1\nbatch_sise: 2", "no entry batch_sise: did you mean batch_size"),
        ("extends: mcnet/dmo", "did you mean mcnet/demo"),
        ("{", "expected the node content"),
        ("", "holds no entries"),
    ],
)
def test_a_faulty_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(TalkbenchError, match=message) as caught:
        load_config(str(path))
    assert "\n" not in str(caught.value)


def test_a_faulty_weight_of_a_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: mcnet/demo\nweights: {consistancy: 3}")
    with pytest.raises(TalkbenchError, match=r"no entry weights.consistancy: did you mean consistency"):
        session.recipe(TrainOptions("mcnet", str(path)))


def test_a_recipe_that_extends_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {path}")
    with pytest.raises(TalkbenchError, match="extends itself"):
        load_config(str(path))


def test_recipes_say_how_the_paper_and_the_code_differ() -> None:
    paper, released = load_config("mcnet/paper"), load_config("mcnet/released")
    assert (released.epochs, released.repeats, released.batch_size, released.milestones) == (100, 75, 64, [80])
    assert released.lr * released.factor(79, 1, 100) == 2e-4
    assert released.lr * released.factor(80, 1, 100) == pytest.approx(2e-5)
    different = {"clip_grad", "weights"}
    assert {key for key, value in released if getattr(paper, key) != value} == different
    assert paper.weights.equivariance_jacobian == 0


def test_entries_of_a_recipe_can_be_changed() -> None:
    changed = load_config("mcnet/demo", {"steps": 3, "weights.consistency": 0})
    assert (changed.steps, changed.weights.consistency, changed.weights.kp_distance) == (3, 0, 10)
    with pytest.raises(TalkbenchError, match="no entry stepz: did you mean steps"):
        load_config("demo", {"stepz": 3}, "mcnet")


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(TalkbenchError, match="did you mean mcnet/demo"):
        load_config("mcnet/dmo")


def test_the_recipe_of_a_method_is_that_of_its_card() -> None:
    assert session.recipe(TrainOptions("mcnet")) == load_config("mcnet/released")
    assert session.recipe(TrainOptions("mcnet@pe10", dataset="hdtf")).method == "mcnet@pe10"
    assert session.recipe(TrainOptions("mcnet", "demo")).method == "mcnet@demo"
    assert session.recipe(TrainOptions("tpsm", "demo")).method == "tpsm@demo"
    assert session.recipe(TrainOptions("fomm@memory")).weights == load_config("mcnet/released").weights
    with pytest.raises(TalkbenchError, match="trains mcnet@demo, not fomm"):
        session.recipe(TrainOptions("fomm", "mcnet/demo"))
    with pytest.raises(TalkbenchError, match="cannot be trained"):
        session.recipe(TrainOptions("oracle"))
    with pytest.raises(TalkbenchError, match="name it with --method"):
        session.recipe(TrainOptions("mcnet", changes={"method": "mcnet@pe10"}))


@pytest.mark.parametrize(
    ("method", "config", "small"),
    [
        ("mcnet@mcm", "demo", "mcnet@mcm-demo"),
        ("mcnet@mcm-demo", "demo", "mcnet@mcm-demo"),
        ("mcnet@full", "demo", "mcnet@demo"),
        ("fomm@vox-256", "demo", "fomm@demo"),
        ("fomm@memory", "demo", "fomm@demo-memory"),
        ("tpsm@memory", "demo", "tpsm@demo-memory"),
        ("tpsm@memory", "avd-demo", "tpsm@demo-memory"),
    ],
)
def test_a_recipe_at_demo_size_trains_the_small_form_of_every_variant(method: str, config: str, small: str) -> None:
    recipe = session.recipe(TrainOptions(method, config))
    assert (recipe.method, recipe.dataset) == (full_name(small), "demo")
    with pytest.raises(TalkbenchError, match=r"^mcnet@ted-384 has no demo size; that of mcnet is mcnet@demo$"):
        session.recipe(TrainOptions("mcnet@ted-384", "demo"))


def test_a_session_ends_with_weights_that_tell_how_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    options = TrainOptions(
        "mcnet", "demo", out=tmp_path / "out", changes={"steps": 1, "image_loss": ""}, command="bench train …"
    )
    method = tiny()
    path, said = run_session(options, method, monkeypatch)
    assert sum("multi-scale L1 stands in" in line for line in said) == 1
    metadata = read_metadata(path)
    assert (metadata["steps"], metadata["command"]) == (1, "bench train …")
    assert set(metadata["losses"]) >= {"reconstruction", "consistency", "total"}
    load_networks(method.networks, path, "mcnet@demo")
    assert load_config(str(tmp_path / "out" / "recipe.yaml")) == session.recipe(options)
