"""X2Face's objective: its loss against the reference output, and what is peculiar to its training
(docs/specs/x2face.md 5)."""

from pathlib import Path

import pytest
import torch
from goldens import image, load, scale
from reference_fill import fill_
from small_methods import small
from small_session import run_session
from toy_training import Toy

from talkbench.methods.checkpoints import read_metadata
from talkbench.methods.x2face import X2Face
from talkbench.training.config import LossWeights, TrainConfig, load_config
from talkbench.training.data.pairs import FramePairs
from talkbench.training.objectives.x2face import X2FaceObjective
from talkbench.training.optimisers import make_optimiser
from talkbench.training.session import TrainOptions


@torch.no_grad()
def test_the_loss_is_the_goldens() -> None:
    method = X2Face()
    scale(fill_(method.network, "a/state_dict"), {"pix2pixUnwrapped.netG.model.up.2.weight": 0.25})
    objective = X2FaceObjective(method, torch.nn.L1Loss(), LossWeights()).eval()
    (loss,) = objective.terms(image(1), image(2), None).values()
    assert loss.item() == pytest.approx(float(load("x2face")["l1_one"]), abs=1e-5)


def test_fresh_weights_are_drawn_as_the_authors_draw_them() -> None:
    torch.manual_seed(0)
    with torch.device("cpu"):
        network = small("x2face").network
    kernel = network.pix2pixUnwrapped.netG["model"].submodule.down[1].weight  # 16 maps of 8 by 4×4
    assert kernel.std().item() == pytest.approx((2 / (16 * (8 + 16))) ** 0.5, rel=0.1)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    scales = torch.cat([norm.weight for norm in norms])
    assert 0.02 <= scales.min() < 0.2
    assert 0.9 < scales.max() <= 1
    assert all((norm.bias == 0).all() for norm in norms)


def test_momentum_descends_without_adam() -> None:
    """v ← 0.9 v + g, w ← w − lr v."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    config = TrainConfig(method="x2face", dataset="toy", epochs=1, batch_size=2, optimiser="sgd", lr=0.1)
    optimiser = make_optimiser([weight], config, torch.device("cpu"))
    for _ in range(2):
        weight.grad = torch.tensor([2.0])
        optimiser.step()
    assert weight.item() == pytest.approx(1 - 0.1 * (2 + 3.8))


def test_only_some_frames_of_a_clip_are_drawn() -> None:
    chosen = {"dataset": "toy", "epochs": 1, "batch_size": 1, "jitter": 0, "sampling": "clip", "frame_step": 7}
    config = TrainConfig(method="x2face", repeats=40, **chosen)
    pairs = FramePairs(Toy({"a": list(range(25))}), config, 32)
    drawn = {int(word) for index in range(40) for word in pairs[0, index][1].split()[1::2]}
    assert drawn == {0, 7, 14}  # the last four are held out, or part those from these
    assert {driving.index for _, driving in pairs.validation(print)} == {23, 24}  # which training never sees


def test_a_session_needs_no_vgg_and_says_none_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"steps": 1, "batch_size": 2, "frame_step": 1, "validation": 0}
    options = TrainOptions("x2face", out=tmp_path / "out", changes=changes)
    path, said = run_session(options, small("x2face"), monkeypatch)
    metadata = read_metadata(path)
    assert not [line for line in said if "VGG" in line or "multi-scale" in line]
    assert metadata["perceptual"] == "L1"
    assert set(metadata["losses"]) == {"l1", "total"}


def test_the_recipe_is_that_of_the_authors_script() -> None:
    recipe = load_config("x2face/released")
    assert (recipe.optimiser, recipe.lr, recipe.batch_size, recipe.factor(2999, 1, 3000)) == ("sgd", 1e-3, 16, 1)
    assert (recipe.flip_time, recipe.flip_horizontal, recipe.jitter) == (False, False, 0)
