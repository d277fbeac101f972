"""The identity network against the goldens, and whole frames through its extractor."""

import numpy as np
import pytest
import torch
from reference_fill import image
from skimage.transform import resize as sk_resize

from talkbench import metrics
from talkbench.metrics.extractors.openface import prepare
from talkbench.metrics.identity import squared_distance


@pytest.fixture(scope="module")
def expected(golden):
    return golden["openface_nn4_small2"]


@pytest.fixture(scope="module")
def extractor(load):
    return load("openface-nn4")


@pytest.fixture(scope="module")
def network(extractor):
    return extractor._network


def unit(embedding):
    return embedding / np.sqrt(np.square(embedding, dtype=np.float64).sum() + 1e-6)


def test_keys_and_shapes_in_order(expected, network):
    found = [(key, list(value.shape)) for key, value in network.state_dict().items()]
    assert found == list(expected["state_dict"].items())
    assert sum(value.numel() for value in network.parameters()) == expected["parameters"]


def test_network_golden(expected, network):
    raw = expected["raw_network"]
    embedding, pooled = (output[0].numpy() for output in network(image(1, 96)))
    np.testing.assert_allclose(unit(embedding)[:16], raw["embedding_first16"], rtol=0, atol=1e-5)
    assert np.linalg.norm(unit(embedding)) == pytest.approx(raw["embedding_norm"], abs=1e-5)
    np.testing.assert_allclose(pooled[:8], raw["pool736_first8"], rtol=0, atol=1e-5)
    assert pooled.sum(dtype=np.float64) == pytest.approx(raw["pool736_sum"], rel=1e-7)


def test_preparation_golden(expected):
    pipeline = expected["full_pipeline"]
    prepared = prepare(torch.cat([image(seed) for seed in pipeline["images"]]))
    sample = prepared[0, :, ::32, ::32].permute(1, 2, 0)
    np.testing.assert_allclose(sample, pipeline["preprocessed_sample"], rtol=0, atol=1e-6)
    means = prepared.double().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(means, pipeline["preprocessed_mean"], rtol=0, atol=1e-6)


def test_pipeline_golden(expected, extractor):
    pipeline = expected["full_pipeline"]
    first, second = extractor.extract(torch.cat([image(seed) for seed in pipeline["images"]]))
    np.testing.assert_allclose(unit(first)[:16], pipeline["embedding0_first16"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(unit(second)[:16], pipeline["embedding1_first16"], rtol=0, atol=1e-5)
    distance = metrics.create("aed").compare(first[None], second[None])
    np.testing.assert_allclose(distance, pipeline["squared_l2"], rtol=0, atol=1e-7)


def test_noise_golden(expected, network):
    pipeline = expected["full_pipeline"]
    clean = prepare(image(pipeline["images"][0]))
    noise = torch.from_numpy(np.random.RandomState(501).uniform(-0.1, 0.1, (1, 3, 96, 96)))
    embeddings = [network(x)[0].numpy() for x in (clean, (clean + noise).float().clamp(0, 1))]
    np.testing.assert_allclose(squared_distance(*embeddings), pipeline["noise_pair"]["squared_l2"], rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [(256, 256), (300, 200), (90, 300), (96, 96), (64, 80)])
def test_resized_as_scikit_image_does(size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    images = torch.from_numpy(frame / 255).permute(2, 0, 1)[None].float()
    theirs = sk_resize(frame[..., ::-1], (96, 96)).transpose(2, 0, 1)
    np.testing.assert_allclose(prepare(images)[0], theirs, rtol=0, atol=1e-6)
