"""Keypoints in one place are told of once, with the remedy."""

import pytest
import torch
from small_training import make_trainer, pictures
from torch import Tensor

from talkbench.training.collapse import CLOSE, EARLY, CollapseWatch, keypoint_spread


def watch(name: str, tmp_path, monkeypatch, spread: float | None, **changes) -> tuple[list[str], CollapseWatch, Tensor]:
    """What is said, of a small method whose keypoints are moved to within `spread` of the image's middle."""
    trainer, said = make_trainer(name, tmp_path, **changes), []
    inspect = trainer.method.inspect

    def inspected(*arguments):
        inside = inspect(*arguments)
        if spread is not None:
            inside.driving_points.copy_(torch.linspace(-spread, spread, inside.driving_points.shape[1])[:, None])
        return inside

    monkeypatch.setattr(trainer.method, "inspect", inspected)
    return said, CollapseWatch(trainer.method, trainer.objective, said.append), pictures(trainer.method.resolution)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("fomm", "train anew with --set weights.kp_separation=10, which pushes them apart"),
        ("mraa", "train anew with another seed or a smaller lr"),
    ],
)
def test_collapsed_keypoints_are_told_of_once(tmp_path, monkeypatch, name, remedy):
    said, own, images = watch(name, tmp_path, monkeypatch, spread=0.01)
    own.look(images, EARLY - 1)
    assert said == []
    for step in (EARLY, EARLY + 1):
        own.look(images, step)
    (line,) = said
    assert line.startswith("the keypoints have collapsed: their median distance is 0.0")
    assert line.endswith(remedy)


@pytest.mark.parametrize(("name", "spread"), [("fomm", 0.5), ("x2face", None)])
def test_other_trainings_are_not_warned(tmp_path, monkeypatch, name, spread):
    said, own, images = watch(name, tmp_path, monkeypatch, spread)
    own.look(images, EARLY)
    assert said == []


def test_fresh_networks_have_not_collapsed(tmp_path):
    trainer = make_trainer("mcnet", tmp_path)
    trainer.objective.eval()
    spread = keypoint_spread(trainer.method, pictures(trainer.method.resolution).float() / 255)
    assert spread > CLOSE
