"""Inception features through torch-fidelity, with a network filled by the test."""

import shutil
import socket

import numpy as np
import pytest
import torch
from reference_fill import image
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.weights import RemoteFile
from talkbench.metrics import weights


def network_file():
    """A state dict of the published form, with weights that keep the activations in range."""
    from torch_fidelity import feature_extractor_inceptionv3 as library

    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)
        state = library.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).state_dict()
    for key, value in state.items():
        if value.ndim > 1:
            deviation = (2 / value[0].numel()) ** 0.5
            state[key] = deviation * torch.randn(value.shape, generator=generator, device="cpu")
        else:
            fill = torch.zeros if key.endswith(("bias", "mean", "tracked")) else torch.ones
            state[key] = fill(value.shape, dtype=value.dtype, device="cpu")
    return state


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """A home with the weight file, and no network."""

    def refused(*_):
        raise AssertionError("something wants to download")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        patch.setattr(RemoteFile, "fault", lambda *_: None)
        patch.setattr(socket.socket, "connect", refused)
        path = weights.store() / weights.files()["inception-fid"].path
        path.parent.mkdir(parents=True)
        torch.save(network_file(), path)
        yield path


@pytest.fixture(scope="module")
def first_use(offline):
    """The extractor, and the features for which it loaded its network."""
    extractor = metrics.create_extractor("inception-fid")
    images = torch.cat([image(1, 256), image(2, 256)]).double().to(memory_format=torch.channels_last)
    with unchanged():
        features = extractor.extract(images.requires_grad_())
    return extractor, features


@pytest.fixture
def extractor(first_use):
    return first_use[0]


def test_features_are_the_librarys_of_the_8_bit_image_whatever_is_around(first_use, offline):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images, (_, found) = torch.cat([image(1, 256), image(2, 256)]), first_use
    library = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(offline))
    (expected,) = library((images * 255).round().byte())
    assert [feature.shape for feature in found] == [(2048,)] * 2
    assert {feature.dtype for feature in found} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.stack(found), expected, rtol=1e-5, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_only_a_frame_that_is_not_finite_has_none(extractor):
    images = torch.cat([torch.zeros(1, 3, 64, 64), image(2, 64), image(3, 64)])
    images[1, 0, 5, 5] = torch.nan
    found = extractor.extract(images)
    assert [feature is None for feature in found] == [False, True, False]
    (alone,) = extractor.extract(images[2:])
    np.testing.assert_allclose(found[2], alone, rtol=1e-5, atol=1e-6)
    assert extractor.extract(images[1:2]) == [None]
    assert extractor.extract(images[:0]) == []


def test_the_id_names_library_weights_and_layer(extractor):
    digest = weights.digests("inception-fid")
    assert extractor.problem() is None
    assert extractor.id == f"inception-fid@torch-fidelity-0.4.0@{digest}@pool2048"
    assert metrics.create("fid").backend() == metrics.create("kid").backend() == extractor.id


def test_the_file_in_torchs_own_folder_is_found(offline, tmp_path, monkeypatch):
    place = tmp_path / "hub" / "checkpoints" / offline.name
    place.parent.mkdir(parents=True)
    shutil.copy(offline, place)
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path / "empty"))
    with pytest.raises(TalkbenchError, match=r"inception-fid needs weights-inception-2015-12-05-6726825d\.pth"):
        metrics.create_extractor("inception-fid").extract(image(1, 32))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights.path("inception-fid") == place
    assert metrics.create_extractor("inception-fid").problem() is None


@pytest.mark.parametrize("how", ["truncated", "of another network"])
def test_a_file_that_is_not_the_network_is_named_in_one_line(offline, tmp_path, monkeypatch, how):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    copy = weights.store() / weights.files()["inception-fid"].path
    copy.parent.mkdir(parents=True)
    if how == "truncated":
        copy.write_bytes(offline.read_bytes()[:5000])
    else:
        torch.save({"conv.weight": torch.zeros(3, 3)}, copy)
    with pytest.raises(TalkbenchError, match=r"is not torch-fidelity's Inception network \(.*weights pull") as error:
        metrics.create_extractor("inception-fid").extract(image(1, 32))
    assert "\n" not in str(error.value)
