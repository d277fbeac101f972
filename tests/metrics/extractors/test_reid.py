"""Re-identification features: the file's layout, and the image that the network sees."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import resnet50

from talkbench import metrics
from talkbench.metrics import weights

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture(scope="module")
def extractor(load):
    return load("reid-resnet50")


@pytest.fixture(scope="module")
def state(extractor):
    return torch.load(weights.path("reid-resnet50"), weights_only=True)


@pytest.fixture(scope="module")
def images():
    return torch.rand((2, 3, 64, 48), generator=torch.Generator().manual_seed(1)).mul(255).round().div(255)


def test_features_are_those_before_the_classifier_of_an_image_divided_by_255_twice(extractor, state, images):
    network = resnet50(weights=None).eval()
    network.load_state_dict({key[6:]: value for key, value in state.items() if key.startswith("model.")})
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


def test_the_classifier_of_imagenet_may_be_gone(state, images, extractor, place):
    expected = extractor.extract(images[:1])[0]
    place("reid-resnet50", {key: value for key, value in state.items() if not key.startswith("model.fc.")})
    np.testing.assert_array_equal(metrics.create_extractor("reid-resnet50").extract(images[:1])[0], expected)
