"""The body pose network and what surrounds it: the file, the scaling of images, the mirror image."""

import socket

import numpy as np
import pytest
import torch
from drawn_body import STANDING, draw, mirrored
from torch import nn
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.metrics import body, weights
from talkbench.metrics.body import PartAffinity
from talkbench.metrics.skeleton import unmirror


@pytest.fixture(scope="module")
def network():
    """Random, with weights that keep the size of activations, so that the maps differ between images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PartAffinity()
    for name, value in network.named_parameters():
        value.data *= 6**0.5 if name.endswith("weight") else 1
    return network


@pytest.fixture(scope="module", autouse=True)
def file(network, tmp_path_factory):
    """The network's file as it is published: the old serialisation, the names of DataParallel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        path = weights.store() / weights.files()["body-pose"].path
        path.parent.mkdir(parents=True)
        state = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save(state, path, _use_new_zipfile_serialization=False)
        yield path


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def connect(*_):
        raise AssertionError("it downloads")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="module")
def extractor():
    return metrics.create_extractor("body-pose")


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


def test_joints_of_an_image_and_none_of_one_that_is_not_finite(extractor, images):
    broken, joints = extractor.extract(torch.cat([torch.full_like(images[:1], torch.nan), images[:1]]))
    assert broken is None
    assert joints is None or joints.shape == (18, 2)  # a random network sees what it likes
    assert extractor.extract(images[:0]) == []


def test_loading_and_extracting_leave_all_else_as_it_is(images, monkeypatch):
    monkeypatch.setattr(body, "HEIGHT", 64)
    with unchanged():
        metrics.create_extractor("body-pose").extract(images[:1])


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


def test_the_id_names_weights_and_settings(extractor, file):
    assert extractor.id == f"body-pose@{sha256_file(file)[:12]}@h368-mirror-sigma3-thr0.1-0.05-0.5"
    assert extractor.problem() is None


def test_the_file_of_another_network_is_refused(network, tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    extractor = metrics.create_extractor("body-pose")
    path = weights.store() / weights.files()["body-pose"].path
    path.parent.mkdir(parents=True)
    remedy = "delete it and fetch it anew: bench weights add FILE --as body-pose"
    with pytest.raises(TalkbenchError, match=r"body-pose needs pose_model.pth"):
        extractor.extract(torch.zeros(1, 3, 64, 13))
    torch.save({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(TalkbenchError) as error:
        extractor.extract(torch.zeros(1, 3, 64, 13))
    assert str(error.value).startswith(f"{path} is not the body pose network (Missing key(s) in state_dict: ")
    assert str(error.value).endswith(remedy)
    assert "\n" not in str(error.value)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TalkbenchError, match="is not the body pose network") as error:
        extractor.extract(torch.zeros(1, 3, 64, 13))
    assert "\n" not in str(error.value)
