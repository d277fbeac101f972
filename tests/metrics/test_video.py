"""Flicker against closed forms."""

import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.core.errors import TalkbenchError


@pytest.fixture
def metric():
    return metrics.create("flicker")


@pytest.fixture
def frames():
    """Two consecutive frames of three videos, oldest first, (3, 2, 3, 8, 8)."""
    return torch.rand((3, 2, 3, 8, 8), generator=torch.Generator().manual_seed(0))


def test_it_is_the_mean_absolute_difference_of_the_changes(metric, frames):
    generated, target = frames.double(), frames.flip(4).double()
    changes = [(video[:, 1] - video[:, 0]).numpy() for video in (generated, target)]
    expected = np.abs(changes[0] - changes[1]).mean((1, 2, 3))
    np.testing.assert_allclose(metric.compare(generated, target), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(metric.compare(target, generated), expected, rtol=0, atol=1e-12)


def test_a_constant_error_does_not_flicker_and_an_alternating_one_does(metric):
    still = torch.full((1, 2, 3, 8, 8), 0.5)
    alternating = still + torch.tensor([0.1, -0.1])[None, :, None, None, None]
    assert metric.compare(still + 0.2, still)[0] == pytest.approx(0, abs=1e-6)
    assert metric.compare(alternating, still)[0] == pytest.approx(0.2, abs=1e-6)


def test_opposite_flashes_reach_the_end_of_the_range(metric):
    flash = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])[None]
    assert metric.compare(flash, flash.flip(1))[0] == metric.range[1]
    assert metric.compare(flash, flash)[0] == metric.range[0]


def test_it_takes_one_preceding_frame_of_each_video(metric, frames):
    assert metric.history == frames.shape[1] - 1
    assert metric.compare(frames[:0], frames[:0]).shape == (0,)
    one_by_one = [metric.compare(frames[i : i + 1], frames.flip(4)[i : i + 1])[0] for i in range(3)]
    assert metric.compare(frames, frames.flip(4)).tolist() == one_by_one
    with pytest.raises(TalkbenchError, match="shape"):
        metric.compare(frames, frames[:, :, :, :-1])
