"""The keypoint distance as the authors' code has it, and as the paper means it."""

import pytest
import torch

from talkbench.training.objectives.losses import keypoint_distance, keypoint_separation

CLOSE = torch.tensor([[[0.0, 0.0], [0.1, 0.0], [0.9, 0.9]]])


def gradient(term) -> torch.Tensor:
    points = CLOSE.clone().requires_grad_()
    term(points).backward()
    assert points.grad is not None
    return points.grad


def test_the_distance_counts_close_pairs_without_moving_them() -> None:
    assert keypoint_distance(CLOSE).item() == pytest.approx(2 * 2 / 9)
    assert not keypoint_distance(CLOSE.clone().requires_grad_()).requires_grad  # so the total of a step leaves it out


def test_the_separation_pushes_close_pairs_apart_and_leaves_others() -> None:
    first, second, third = gradient(keypoint_separation)[0]
    assert first[0] > 0 > second[0]  # a step against the gradient moves them away from each other
    assert first[1] == second[1] == 0
    assert not third.any()


@pytest.mark.parametrize(("spread", "worth"), [(1e-6, 2.0), (0.1, 1.0), (0.2, 0.0), (0.5, 0.0)])
def test_the_separation_falls_from_two_to_nothing_at_the_threshold(spread: float, worth: float) -> None:
    pair = torch.tensor([[[0.0, 0.0], [spread, 0.0]]])
    assert keypoint_separation(pair).item() == pytest.approx(worth / 2, abs=2e-3)
