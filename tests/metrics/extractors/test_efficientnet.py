"""Features of EfficientNet-Lite0 with the published file."""

import model_files
import numpy as np
import pytest
import torch

from talkbench import metrics
from talkbench.metrics.extractors.architectures.efficientnet_lite import Convolution

STORED = [
    (0.4106, 0.0, 1.2643, 2.5301, 0.0),
    (0.1563, 0.0, 0.8707, 3.4669, 0.0),
    (0.1019, 0.1712, 0.3511, 2.556, 0.0),
]
"""The first features of the frames of `people`. With this input the network calls photographs of a cat and of a cup of
espresso by their names."""


@pytest.fixture(scope="module")
def published(place):
    path = place("efficientnet-lite0")
    path.unlink()
    model_files.real("efficientnet-lite0")
    return metrics.create_extractor("efficientnet-lite0")


def test_features_are_what_they_were(published, people):
    features = np.stack(published.extract(people))
    assert features.shape == (3, 1280)
    np.testing.assert_allclose(features[:, :5], STORED, atol=2e-3)
    np.testing.assert_allclose(features.mean(1), [0.1559, 0.1564, 0.1748], atol=1e-3)


def test_other_frames_of_a_person_are_nearer_than_another_person(published, demo):
    from talkbench.core.images import to_tensor
    from talkbench.datasets import Frame

    woman, later, man = (
        np.stack(
            published.extract(to_tensor(np.stack([demo.read(Frame(clip, index)) for index in range(start, start + 8)])))
        )
        for clip, start in (("wolfgang-langer", 0), ("wolfgang-langer", 440), ("single-face", 0))
    )
    distance = metrics.create("fd@efficientnet-lite0").compare
    assert distance(woman, woman)[0] == pytest.approx(0, abs=1e-6)
    assert distance(later, woman)[0] < distance(man, woman)[0]


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 1), (8, 1, 1)])
def test_padding_is_tensorflow_s(size, kernel, stride):
    """The last window ends one step further to the right than it begins to the left."""
    convolution = Convolution(1, 1, kernel, stride)
    convolution.weight.data.fill_(1)
    outputs = -(-size // stride)
    padding = max(0, (outputs - 1) * stride + kernel - size)
    image = torch.zeros(size + padding)
    image[padding // 2 : padding // 2 + size] = 1
    expected = [image[start * stride : start * stride + kernel].sum().item() for start in range(outputs)]
    with torch.no_grad():
        (row,) = convolution(torch.ones(1, 1, size, size))[0].max(dim=1).values / max(expected)
    np.testing.assert_allclose(row, expected)
