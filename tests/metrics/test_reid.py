"""Re-identification features: the file's layout, and the image that the network sees."""

import socket
from importlib.metadata import version

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import resnet50
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.metrics import weights

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def put(state):
    path = weights.store() / weights.files()["reid-resnet50"].path
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        return resnet50(weights=None).eval()


@pytest.fixture(scope="module")
def state(network):
    """The file's layout: the network as ``model``, ImageNet's classifier still in it, and the one of the training."""
    layers = {f"model.{key}": value for key, value in network.state_dict().items()}
    head = {
        "classifier.add_block.0.weight": torch.zeros(512, 2048),
        "classifier.classifier.0.weight": torch.zeros(751, 512),
    }
    return layers | head


@pytest.fixture(scope="module", autouse=True)
def file(state, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield put(state)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def connect(*_):
        raise AssertionError("it downloads")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="module")
def extractor():
    return metrics.create_extractor("reid-resnet50")


@pytest.fixture(scope="module")
def images():
    return torch.rand((2, 3, 64, 48), generator=torch.Generator().manual_seed(1)).mul(255).round().div(255)


def test_features_are_those_before_the_classifier_of_an_image_divided_by_255_twice(extractor, network, images):
    frame = images[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    small = np.array(Image.fromarray(frame).resize((144, 288), Image.Resampling.BICUBIC))
    pixels = (small / 255 / 255 - MEAN) / DEVIATION
    assert np.ptp(pixels, axis=(0, 1)).max() < 0.02
    seen = []
    handle = network.fc.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
    handle.remove()
    feature = extractor.extract(images[:1])[0]
    assert feature.shape == (2048,)
    assert feature.dtype == np.float32
    np.testing.assert_allclose(feature, seen[0][0], rtol=1e-5, atol=1e-5)


def test_an_image_has_the_same_features_alone_and_in_a_batch(extractor, images):
    spoilt = torch.full_like(images[:1], torch.inf)
    first, nothing, second = extractor.extract(torch.cat([images[:1], spoilt, images[1:]]))
    assert nothing is None
    assert not np.array_equal(first, second)
    alone = extractor.extract(images[1:].double().to(memory_format=torch.channels_last))
    np.testing.assert_array_equal(alone[0], second)
    assert extractor.extract(images[:0]) == []


def test_a_black_image_has_features_too_and_all_else_is_left_as_it_is():
    with unchanged():
        feature = metrics.create_extractor("reid-resnet50").extract(torch.zeros(1, 3, 32, 32))[0]
    assert np.isfinite(feature).all()


def test_the_classifier_of_imagenet_may_be_gone(state, images, monkeypatch, tmp_path, extractor):
    expected = extractor.extract(images[:1])[0]
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    put({key: value for key, value in state.items() if not key.startswith("model.fc.")})
    np.testing.assert_array_equal(metrics.create_extractor("reid-resnet50").extract(images[:1])[0], expected)


def test_the_file_of_another_network_is_refused(images, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    path = put({"model.conv1.weight": torch.zeros(64, 3, 7, 7), "classifier.weight": torch.zeros(751, 2048)})
    with pytest.raises(TalkbenchError) as error:
        metrics.create_extractor("reid-resnet50").extract(images)
    assert str(error.value).startswith(f"{path} is not the re-identification ResNet50 (Missing key(s) in state_dict: ")
    assert "\n" not in str(error.value)


def test_the_id_names_library_weights_and_settings(extractor, file):
    library = f"torchvision-{version('torchvision')}"
    assert extractor.id == f"reid-resnet50@{library}@{sha256_file(file)[:12]}@288x144-pil-scaled-twice"
    assert metrics.create("aed@reid-resnet50").backend() == extractor.id
