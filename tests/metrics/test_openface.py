"""The identity network against the goldens, and whole frames through its extractor."""

import math
from importlib.metadata import version

import numpy as np
import pytest
import torch
from reference_fill import fill_, image
from skimage.transform import resize as sk_resize
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.weights import digest
from talkbench.metrics.identity import squared_distance
from talkbench.metrics.openface import NN4Small2, prepare


@pytest.fixture(scope="module")
def expected(golden):
    return golden["openface_nn4_small2"]


@pytest.fixture(scope="module")
def network(expected):
    return fill_(NN4Small2(), expected["salt"]).requires_grad_(False)


@pytest.fixture(scope="module")
def file(network, place):
    """As the published one: from CUDA tensors, and older than batch normalisation's counters."""
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        return place("openface-nn4", state)


@pytest.fixture(scope="module")
def extractor(file):
    extractor = metrics.create_extractor("openface-nn4")
    with unchanged():  # the network is loaded here
        extractor.extract(image(3, 64))
    return extractor


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


def test_a_batch_gives_what_single_frames_give_and_nan_spoils_its_own(extractor, faces):
    frames = torch.cat([faces, faces[:1]])
    frames[1, 0, 5, 5] = math.nan
    together = extractor.extract(frames)
    assert together[1] is None
    for i in (0, 2, 3):
        assert (together[i].shape, together[i].dtype) == ((128,), np.float32)
        np.testing.assert_allclose(together[i], extractor.extract(frames[i : i + 1])[0], rtol=0, atol=1e-5)
    assert extractor.extract(frames[:0]) == []


def test_type_and_layout_do_not_matter(extractor, faces):
    plain = extractor.extract(faces[:1])[0]
    other = extractor.extract(faces[:1].to(torch.float64, memory_format=torch.channels_last))[0]
    np.testing.assert_allclose(other, plain, rtol=0, atol=1e-5)


def test_frames_without_a_face_have_an_embedding_too(extractor):
    (black,) = extractor.extract(torch.zeros(1, 3, 256, 256))
    assert np.isfinite(black).all()


def test_the_id_names_library_weights_and_settings(extractor, file):
    library = f"scikit-image-{version('scikit-image')}"
    assert extractor.id == f"openface-nn4@{library}@{digest(file)[:12]}@whole-bgr96-antialiased"
    assert extractor.id == metrics.create("aed").backend()


@pytest.mark.parametrize("damage", ["truncated", "another's", "text", "list", "empty"])
def test_a_file_that_is_not_it_is_one_line(damage, file, place):
    sound = file.read_bytes()
    try:
        if damage == "another's":
            place("openface-nn4", torch.nn.Linear(2, 3).state_dict())
        elif damage == "list":
            place("openface-nn4", [torch.zeros(1)])
        else:
            file.write_bytes({"truncated": sound[:-1000], "text": b"<html>not found</html>", "empty": b""}[damage])
        with pytest.raises(TalkbenchError, match=r"is not OpenFace's nn4\.small2 \(.*bench weights pull") as error:
            metrics.create_extractor("openface-nn4").extract(image(3, 64))
        assert "\n" not in str(error.value)
    finally:
        file.write_bytes(sound)


def test_without_the_file_it_says_which_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    assert metrics.create("aed").problem().startswith("needs openface.pth (https://")
    with pytest.raises(TalkbenchError, match=r"needs openface\.pth"):
        metrics.create_extractor("openface-nn4").extract(image(3, 64))
