"""Hulls and inverses as a device computes them, without asking the host."""

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from talkbench.methods.keypoints import _sound_inverse, hull_area


def areas(points: np.ndarray) -> list[float]:
    return [ConvexHull(own).volume for own in points]


@pytest.mark.parametrize("count", [3, 4, 10, 15])
def test_areas_are_those_of_scipy(count: int) -> None:
    points = np.random.default_rng(count).normal(size=(40, count, 2)).astype(np.float32)
    np.testing.assert_allclose(hull_area(torch.from_numpy(points)), areas(points), rtol=1e-12)


def test_points_on_one_line_and_equal_points() -> None:
    """On a coarse grid many are; far from the origin the formula is as exact."""
    points = np.random.default_rng(0).integers(0, 4, (200, 12, 2)).astype(np.float64)
    for shift in (0.0, 1000.0):
        np.testing.assert_allclose(hull_area(torch.from_numpy(points + shift)), areas(points), rtol=1e-9)


def test_points_without_a_hull_give_nan_alone() -> None:
    line = torch.linspace(0, 1, 10)[:, None].expand(10, 2)
    square = torch.tensor([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), *[(0.5, 0.5)] * 6])
    assert hull_area(torch.stack([line, square, torch.zeros(10, 2), square * torch.nan])).isnan().tolist() == [
        True, False, True, True,
    ]  # fmt: skip


@torch.enable_grad()
def test_singular_matrices_give_nan_alone() -> None:
    matrices = torch.tensor([[[2.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]], requires_grad=True)
    result = _sound_inverse(matrices)
    assert torch.equal(result[0], torch.inverse(matrices[:1])[0])
    assert result[1].isnan().all()
    result[0].sum().backward()
    assert matrices.grad is not None
    assert matrices.grad[0].isfinite().all()
