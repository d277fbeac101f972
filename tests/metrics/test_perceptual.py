"""LPIPS against the goldens and the lpips package itself, with backbones filled by the tests; ST-LPIPS with its own."""

import numpy as np
import pytest
import torch
from reference_fill import image
from unchanged import unchanged

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import perceptual, weights


@pytest.fixture(scope="module", params=["lpips@vgg", "lpips@alex"])
def first_use(request, place):
    """A metric, and the value of the first golden pair, for which it loaded its network."""
    metric = metrics.create(request.param)
    place(*metric.weights)
    with unchanged():
        value = metric.compare(image(2, 64).requires_grad_(), image(1, 64))
    return metric, value


@pytest.fixture
def metric(first_use):
    return first_use[0]


def pair(seeds, size):
    x = image(seeds[0], size)
    if seeds[1] < 100:
        return x, image(seeds[1], size)
    noise = np.random.RandomState(seeds[1]).randint(-30, 31, tuple(x.shape))
    return x, (x + torch.from_numpy(noise).float() / 255).clamp(0, 1)


def test_goldens(metric, golden):
    for entry in golden[f"lpips_{metric.net}"]["pairs"]:
        x, y = pair(entry["seeds"], entry["size"])
        layers = perceptual.lpips_layers(metric._network, x, y)
        np.testing.assert_allclose(layers[0].numpy(), entry["per_layer"], rtol=1e-4)
        np.testing.assert_allclose(metric.compare(y, x), entry["value"], rtol=1e-4)


def test_it_is_the_packages_own_forward(metric):
    x, y = torch.cat([image(1, 48), image(2, 48)]), torch.cat([image(3, 48), image(4, 48)])
    expected = metric._network(x, y, normalize=True).flatten()
    np.testing.assert_allclose(metric.compare(x, y), expected, rtol=1e-5)
    np.testing.assert_allclose(metric.compare(y, x), metric.compare(x, y), rtol=1e-6)
    assert metric.compare(x, x).tolist() == [0, 0]


def test_the_range_ends_where_the_heads_do(metric):
    heads = [head.model[1].weight for head in metric._network.lins]
    assert min(weight.min() for weight in heads) >= 0
    assert metric.range[1] - 1e-3 < 2 * sum(weight.max().item() for weight in heads) <= metric.range[1]


def test_the_least_size_is_what_the_backbone_takes(metric):
    x, y = (image(seed, 64)[..., : metric.min_size, : metric.min_size] for seed in (1, 2))
    assert metric.compare(x, y)[0] > 0
    with pytest.raises(RuntimeError, match="too small"):
        metric.compare(x[..., 1:], y[..., 1:])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_spoil_their_own_pair_only(metric, bad):
    images = torch.cat([image(seed, 40) for seed in (1, 2, 3)])
    spoilt = images.clone()
    spoilt[1, 0, 39, 39] = bad
    clean, values = metric.compare(images, images.flip(3)), metric.compare(spoilt, images.flip(3))
    assert np.isnan(values[1])
    assert values[[0, 2]].tolist() == clean[[0, 2]].tolist()


def test_nothing_around_it_changes_it_or_is_changed(first_use, golden):
    metric, value = first_use
    np.testing.assert_allclose(value, golden[f"lpips_{metric.net}"]["pairs"][0]["value"], rtol=1e-4)


def test_the_backend_names_versions_backbone_and_heads(metric):
    digest = weights.digests(*metric.weights)
    assert metric.problem() is None
    assert metric.backend().startswith(f"{metric.name}@lpips-0.1.4@torchvision-")
    assert metric.backend().endswith(f"@{digest}@heads-{metric.heads_sha256[:12]}")


@pytest.mark.parametrize("how", ["truncated", "of VGG", "of a larger AlexNet"])
def test_a_file_that_is_not_the_backbone_is_named_in_one_line(place, how):
    path = place("alexnet")
    content = path.read_bytes()
    if how == "truncated":
        place("alexnet", {}).write_bytes(content[:5000])
    elif how == "of VGG":
        place("alexnet", {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)})
    else:
        place("alexnet", torch.load(path, weights_only=True) | {"features.12.weight": torch.zeros(1)})
    with pytest.raises(TalkbenchError, match=r"alexnet-owt.* is not torchvision's alexnet \(.*weights pull") as error:
        metrics.create("lpips@alex").compare(image(1, 64), image(2, 64))
    assert "\n" not in str(error.value)


def test_without_the_file_it_says_which(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    metric = metrics.create("lpips@alex")
    assert "needs alexnet-owt-7be5be79.pth" in metric.problem()
    with pytest.raises(TalkbenchError, match=r"lpips@alex needs alexnet-owt-7be5be79\.pth"):
        metric.compare(image(1, 64), image(2, 64))


def test_other_heads_are_refused(place, tmp_path, monkeypatch):
    place("alexnet")
    heads = tmp_path / "alex.pth"
    monkeypatch.setattr(perceptual, "_heads", lambda net: heads)
    metric = metrics.create("lpips@alex")
    assert "needs the heads of lpips 0.1.4" in metric.problem()
    heads.write_bytes(b"others")
    with pytest.raises(TalkbenchError, match=r"lpips@alex needs the heads of lpips 0\.1\.4"):
        metric.compare(image(1, 64), image(2, 64))


@pytest.fixture(scope="module", params=["stlpips@alex", "stlpips@vgg"])
def tolerant(request, place):
    metric = metrics.create(request.param)
    place(*metric.weights)
    return metric


def test_shift_tolerant_values_are_those_of_the_package(tolerant, faces):
    """As stlpips-pytorch 0.0.2 gives them of the same crops."""
    published = {"stlpips@alex": 0.36044395, "stlpips@vgg": 0.45016459}
    crops = faces[:2, :, 60:124, 60:124]
    with unchanged():
        value = tolerant.compare(crops[:1], crops[1:])
    np.testing.assert_allclose(value, published[tolerant.name], rtol=1e-5)


def test_a_shift_costs_less_than_in_lpips(tolerant, faces):
    crops = faces[:2, :, 60:124, 60:124]
    shifted, other = tolerant.compare(crops[:1].roll(1, 3), crops[:1]), tolerant.compare(crops[1:], crops[:1])
    assert shifted[0] < 0.06 * other[0]


def test_the_range_of_shift_tolerant_ones_ends_where_the_heads_do(tolerant):
    heads = [tolerant._network.get_submodule(f"lin{place}.model.1").weight for place in range(5)]
    assert min(weight.min() for weight in heads) >= 0
    assert tolerant.range[1] - 1e-3 < 2 * sum(weight.max().item() for weight in heads) <= tolerant.range[1]


def test_the_least_size_of_shift_tolerant_ones(tolerant):
    x, y = (image(seed, 64)[..., : tolerant.min_size, : tolerant.min_size] for seed in (1, 2))
    assert tolerant.compare(x, y)[0] > 0
    with pytest.raises(RuntimeError):
        tolerant.compare(x[..., 1:, 1:], y[..., 1:, 1:])


def test_a_shift_tolerant_file_of_the_other_trunk_is_refused(place):
    place("stlpips-alex", torch.load(place("stlpips-vgg"), "cpu", weights_only=True))
    with pytest.raises(TalkbenchError, match=r"is not the network of stlpips@alex \(.*pull stlpips-alex$") as error:
        metrics.create("stlpips@alex").compare(image(1, 64), image(2, 64))
    assert "\n" not in str(error.value)
