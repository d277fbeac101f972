"""The body pose network and what surrounds it: the file, the scaling of images, the mirror image."""

import numpy as np
import pytest
import torch
from drawn_body import STANDING, draw, mirrored
from torch import nn

from talkbench import metrics
from talkbench.metrics.extractors import body
from talkbench.metrics.extractors.skeleton import unmirror


@pytest.fixture(scope="module")
def extractor(load, images):
    return load("body-pose", images[:1])


@pytest.fixture(scope="module")
def network(extractor):
    return extractor._network


@pytest.fixture(scope="module")
def images():
    """Black and white stripes on a ramp, narrow so that the network has little to do: (2, 3, 64, 13)."""
    ramp = torch.linspace(0, 1, 64)[:, None] * torch.linspace(0.2, 1, 13)
    striped = torch.where(torch.arange(13) % 6 < 3, ramp, 0.0)
    return torch.stack([ramp, striped]).mul(255).round().div(255)[:, None].repeat(1, 3, 1, 1)


def test_the_network_is_the_published_one(network):
    state = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert sum(value.numel() for value in network.parameters()) == 52_311_446
    layers = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25]
    assert [key for key in state if key.startswith("model0.") and key.endswith("weight")] == [
        f"model0.{layer}.weight" for layer in layers
    ]
    assert {key.partition(".")[0] for key in state} == {
        "model0",
        *(f"model{stage}_{branch}" for stage in range(1, 7) for branch in (1, 2)),
    }
    expected = {
        "model0.23.weight": (256, 512, 3, 3),
        "model0.25.weight": (128, 256, 3, 3),
        "model1_1.0.weight": (128, 128, 3, 3),
        "model1_1.6.weight": (512, 128, 1, 1),
        "model1_1.8.weight": (38, 512, 1, 1),
        "model1_2.8.bias": (19,),
        "model2_1.0.weight": (128, 185, 7, 7),
        "model6_1.10.weight": (128, 128, 1, 1),
        "model6_1.12.weight": (38, 128, 1, 1),
        "model6_2.12.weight": (19, 128, 1, 1),
    }
    assert {key: state[key] for key in expected} == expected
    assert len(state) == 2 * (12 + 2 * (5 + 5 * 7))


def test_a_stage_sees_fields_heat_maps_and_features_in_this_order(network):
    seen = []
    handle = network.model2_1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        image = torch.rand(1, 3, 16, 24)
        fields, heat = network(image)
        features = network.model0(image)
        first = torch.cat([network.model1_1(features), network.model1_2(features), features], 1)
    handle.remove()
    assert (fields.shape, heat.shape) == ((1, 38, 2, 3), (1, 19, 2, 3))
    assert torch.equal(seen[0], first)


@pytest.fixture
def joined_maps(extractor, monkeypatch):
    """Extracts the maps that people are assembled from, (57, H, W) per image, of a smaller input of the network."""
    monkeypatch.setattr(body, "HEIGHT", 64)
    monkeypatch.setattr(body, "decode", lambda fields, heat: torch.cat([fields, heat]).numpy())
    return extractor.extract


def test_an_image_has_the_same_maps_alone_and_in_a_batch(joined_maps, images):
    spoilt = torch.full_like(images[:1], torch.nan)
    first, nothing, second = joined_maps(torch.cat([images[:1], spoilt, images[1:]]))
    assert nothing is None
    assert first.shape == (57, 64, 13)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(joined_maps(images[1:])[0], second)
    np.testing.assert_array_equal(joined_maps(images.double().to(memory_format=torch.channels_last))[1], second)


def test_a_mirrored_image_has_mirrored_maps(joined_maps, images):
    there = torch.from_numpy(joined_maps(images[:1].flip(3))[0])
    back = torch.cat(unmirror(there[:38], there[38:]))
    straight = joined_maps(images[:1])[0]
    assert np.ptp(straight, axis=2).max() > 0.01
    np.testing.assert_allclose(back, straight, rtol=0, atol=1e-5)


class Drawn(nn.Module):
    """Stands in for the network: maps of STANDING in a frame of 120x80, drawn where its cells are."""

    def forward(self, images):
        self.seen = images
        cells = [((joints + 0.5) * [245 / 80, 368 / 120] / 8 - 0.5) for joints in (STANDING, mirrored(STANDING, 80))]
        drawn = [draw(joints, shape=(46, 31), radius=1.0) for joints in cells]
        return tuple(torch.stack(maps) for maps in zip(*drawn, strict=True))


def test_joints_are_in_pixels_of_the_frame(monkeypatch):
    extractor = metrics.create_extractor("body-pose")
    monkeypatch.setattr(extractor, "_network", Drawn(), raising=False)
    joints = extractor.extract(torch.zeros(1, 3, 120, 80))[0]
    assert joints.shape == (18, 2)
    assert joints.dtype == np.float32
    np.testing.assert_allclose(joints, STANDING, atol=1)


def test_the_network_sees_bgr_of_height_368_and_its_mirror_image_padded_with_grey(monkeypatch):
    extractor = metrics.create_extractor("body-pose")
    drawn = Drawn()
    monkeypatch.setattr(extractor, "_network", drawn, raising=False)
    frame = torch.tensor([1.0, 0.2, 0.0])[None, :, None, None].expand(1, 3, 120, 80).clone()
    frame[..., 40:] = 0.8
    extractor.extract(frame)
    seen = drawn.seen * 256 + 128
    assert seen.shape == (2, 3, 368, 248)
    for image, left, right in zip(seen, ([0, 51, 255], [204] * 3), ([204] * 3, [0, 51, 255]), strict=True):
        assert image[:, 200, 50].tolist() == left
        assert image[:, 200, 200].tolist() == right
        assert torch.all(image[:, :, 245:] == 128)
        assert torch.all(image[:, :, :245] == image[:, :, :245].round())  # 8 bits, as the overshoot of cubic is cut to
        assert image[:, :, :245].min() == 0
