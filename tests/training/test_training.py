"""The parts of training on small inputs, and the loop on a toy data set."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from talkbench import methods
from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import read_metadata
from talkbench.training import session
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data import FramePairs
from talkbench.training.draw import Draw
from talkbench.training.loop import Trainer
from talkbench.training.losses import MultiScaleL1, keypoint_distance
from talkbench.training.session import TrainOptions, TrainProgress
from talkbench.training.transform import EquivarianceTransform

FRAMES = {"a": [0, 1, 2, 5], "b": [7, 8]}


def read(clip: str, index: int) -> np.ndarray:
    """A frame that shows its clip and number as colours."""
    frame = np.zeros((128, 128, 3), dtype=np.uint8)
    frame[..., 0], frame[..., 1] = 20 * index, 200 * (clip == "b")
    frame[:, : 10 * index + 10, 2] = 255
    return frame


def pairs(jitter: float = 0.0, seed: int = 3) -> FramePairs:
    return FramePairs(FRAMES, read, 128, seed, jitter)


def config(**changes: object) -> TrainConfig:
    return TrainConfig(method="mcnet@demo", dataset="demo", **{"steps": 4, "batch_size": 2, "jitter": 0.0, **changes})


def trainer(folder: Path, **changes: object) -> Trainer:
    torch.manual_seed(0)
    return Trainer(methods.create("mcnet@demo"), config(**changes), pairs(), folder, torch.device("cpu"))


def ignore(_step: int, _losses: dict[str, float]) -> None:
    pass


def test_jacobian_of_the_transform_is_its_derivative() -> None:
    transform = EquivarianceTransform.random(Draw(0, 0, 2, 0, 2, torch.device("cpu"), 0))
    points = torch.rand(2, 7, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    wanted = torch.autograd.functional.jacobian(lambda p: transform.warp_points(p).sum((0, 1)), points)
    torch.testing.assert_close(transform.jacobian(points), wanted.permute(1, 2, 0, 3), rtol=1e-4, atol=1e-5)


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


def test_every_sample_is_a_function_of_seed_step_and_position() -> None:
    first, second = pairs(jitter=0.1), pairs(jitter=0.1)
    later = [first.item(step, 1) for step in range(5)][-1]
    for ours, theirs in zip(second.item(4, 1), later, strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(pairs(seed=4).batch(0, 8)[0], pairs().batch(0, 8)[0])


def test_pairs_are_of_one_clip_and_of_allowed_frames() -> None:
    for step in range(40):
        indices = []
        for image in pairs().item(step, 0):
            clip = "b" if image[1].max() > 0.5 else "a"
            index = round(image[0, 0, 0].item() * 255 / 20)
            assert index in FRAMES[clip]
            indices.append(clip)
        assert len(set(indices)) == 1


def test_jitter_without_torchvision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talkbench.training.data.find_spec", lambda name: None)
    with pytest.raises(TalkbenchError, match=r"needs torchvision: pip install 'talkbench\[full\]'"):
        pairs(jitter=0.1)


def test_training_lowers_the_loss_and_logs(tmp_path: Path) -> None:
    seen: list[float] = []
    trainer(tmp_path, steps=20).run(lambda _step, losses: seen.append(losses["reconstruction"]))
    assert np.mean(seen[-5:]) < 0.8 * np.mean(seen[:3])
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [20]


def test_a_continued_training_gives_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run(ignore)

    class Killed(Exception):
        pass

    def stop(step: int, _losses: dict[str, float]) -> None:
        if step == 2:
            part._save()
            raise Killed

    part = trainer(tmp_path / "part")
    with pytest.raises(Killed):
        part.run(stop)
    rest = trainer(tmp_path / "part")
    assert rest.step == 2
    rest.run(ignore)
    for name, network in whole.method.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(rest.method.networks[name].state_dict()[key], value), key


def test_another_config_does_not_continue(tmp_path: Path) -> None:
    trainer(tmp_path, steps=1).run(ignore)
    with pytest.raises(TalkbenchError, match="another config"):
        trainer(tmp_path, steps=1, lr=1e-3)


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path: Path) -> None:
    broken = trainer(tmp_path)
    with torch.no_grad():
        broken.generator.final.bias.fill_(float("nan"))
    with pytest.raises(TalkbenchError, match="the loss is nan at step 0"):
        broken.run(ignore)
    assert not (tmp_path / "state.pt").exists()


def test_the_shipped_recipe_is_valid() -> None:
    assert load_config("demo").method == "mcnet@demo"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: mcnet@demo\ndataset: demo\nsteps: many\nbatch_size: 2", "steps: Input should be a valid integer"),
        ("method: mcnet@demo\ndataset: demo\nsteps: 1\nbatch_size: 2\nspeed: 3", "speed: Extra inputs"),
        ("{", "while parsing a flow node"),
        ("", "Input should be a valid dictionary"),
    ],
)
def test_a_faulty_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(TalkbenchError, match=message) as caught:
        load_config(str(path))
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(TalkbenchError, match="did you mean demo"):
        load_config("dmo")


def test_a_recipe_of_another_method_is_refused() -> None:
    with pytest.raises(TalkbenchError, match="trains mcnet@demo, not fomm"):
        session.train(TrainOptions("fomm", "demo"))


def test_a_session_ends_with_weights_that_tell_how_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Toy:
        def training_frames(self) -> dict[str, list[int]]:
            return FRAMES

        def read(self, frame: object) -> np.ndarray:
            return read(frame.clip, frame.index)

    monkeypatch.setattr(session.datasets, "create", lambda name, root: Toy())
    said: list[str] = []
    progress = TrainProgress()
    progress.say = said.append
    path = session.train(TrainOptions("mcnet", "demo", tmp_path / "out", steps=1, command="bench train …"), progress)
    assert "multi-scale L1 stands in" in said[0]
    metadata = read_metadata(path)
    assert (metadata["steps"], metadata["command"]) == (1, "bench train …")
    assert set(metadata["losses"]) >= {"reconstruction", "consistency", "total"}
    assert methods.create("mcnet@demo", weights=path).checkpoint_sha256
