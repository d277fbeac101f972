"""Pixel metrics against the goldens, scikit-image and closed forms."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import image

VARIANTS = [
    "l1",
    "psnr",
    "psnr@uint8-wrap",
    "psnr@luma",
    "ssim@gauss11-valid",
    "ssim@gauss11-zeropad-f32",
    "ssim@gauss11-luma-valid",
    "ssim@uniform7-dr1",
    "ssim@uniform7-dr2",
]


def rebuilt(seed, height, width, cell, amplitude, smooth=False, roll=None):
    """Truth and generated uint8 image of a golden entry, from the recipe that comes with the goldens."""
    rows, columns = -(-height // cell), -(-width // cell)
    base = np.random.RandomState(seed).randint(0, 256, (rows, columns, 3))
    truth = np.kron(base, np.ones((cell, cell, 1), int))[:height, :width]
    if smooth:
        truth = (truth + np.roll(truth, 1, 0) + np.roll(truth, 1, 1) + np.roll(truth, (1, 1), (0, 1))) // 4
    noise = np.random.RandomState(seed + 1000).randint(-amplitude, amplitude + 1, truth.shape)
    generated = np.clip(truth + noise, 0, 255) if roll is None else np.roll(truth, roll, (0, 1))
    return truth.astype(np.uint8), generated.astype(np.uint8)


@pytest.fixture(scope="module")
def pairs(golden):
    return [rebuilt(**entry["input"]) for entry in golden["pixel_pairs"]]


def tensor(uint8):
    return torch.from_numpy(uint8 / 255).permute(2, 0, 1)[None]


def value(name, truth, generated):
    return metrics.create(name).compare(tensor(generated), tensor(truth))[0]


def tolerance(name):
    return 1e-5 if name.endswith("f32") else 1e-9


def test_the_inputs_are_the_goldens_inputs(golden, pairs):
    for entry, (truth, generated) in zip(golden["pixel_pairs"], pairs, strict=True):
        assert int(truth.sum(dtype=np.int64)) == entry["checksum"]["truth_sum"]
        assert int(generated.sum(dtype=np.int64)) == entry["checksum"]["generated_sum"]


@pytest.mark.parametrize("name", VARIANTS)
def test_goldens(golden, pairs, name):
    values = [value(name, *pair) for pair in pairs]
    expected = [entry[name] for entry in golden["pixel_pairs"]]
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance(name))
    np.testing.assert_allclose(np.mean(values), golden["pixel_mean"][name], rtol=0, atol=tolerance(name))


def test_goldens_of_the_formulas_with_other_ranges(golden, pairs):
    for entry, (truth, generated) in zip(golden["pixel_pairs"], pairs, strict=True):
        a, b = tensor(truth), tensor(generated)
        psnr2 = image.decibels(torch.tensor(entry["mse"], dtype=torch.float64), data_range=2)
        ssim255 = image.ssim(a * 255, b * 255, image.UNIFORM7, data_range=255, sample=True)
        assert psnr2.item() == pytest.approx(entry["psnr@dr2"], abs=1e-9)
        assert ssim255.item() == pytest.approx(entry["ssim@uniform7-dr255-uint8"], abs=1e-9)


@pytest.mark.parametrize(("name", "data_range"), [("ssim@uniform7-dr1", 1.0), ("ssim@uniform7-dr2", 2.0)])
@pytest.mark.parametrize("size", [(64, 64), (7, 90), (51, 33)])
def test_ssim_is_scikit_images(name, data_range, size):
    a, b = np.random.default_rng(size[0]).integers(0, 256, (2, *size, 3), np.uint8)
    expected = structural_similarity(a / 255, b / 255, channel_axis=2, data_range=data_range)
    assert value(name, a, b) == pytest.approx(expected, abs=1e-9)


def test_gaussian_ssim_and_psnr_are_scikit_images():
    a, b = np.random.default_rng(1).integers(0, 256, (2, 40, 61, 3), np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = structural_similarity(a / 255, b / 255, channel_axis=2, **options)
    assert value("ssim", a, b) == pytest.approx(expected, abs=1e-9)
    assert value("psnr", a, b) == pytest.approx(peak_signal_noise_ratio(a / 255, b / 255), abs=1e-9)


def test_wrapped_psnr_is_numpys_8_bit_arithmetic():
    a, b = np.random.default_rng(2).integers(0, 256, (2, 32, 32, 3), np.uint8)
    wrapped = np.mean((a - b) ** 2)
    assert ((a - b) ** 2).dtype == np.uint8
    assert value("psnr@uint8-wrap", a, b) == pytest.approx(10 * np.log10(255**2 / wrapped), abs=1e-9)


def test_wrapped_psnr_may_call_a_worse_image_better_and_so_never_ranks():
    grey = np.full((16, 16, 3), 100, np.uint8)
    assert value("psnr@uint8-wrap", grey, grey + 16) > value("psnr@uint8-wrap", grey, grey + 8)
    assert [name for name in metrics.registry.names() if not metrics.create(name).ranks] == ["psnr@uint8-wrap"]


@pytest.mark.parametrize("name", ["psnr", "psnr@luma", "psnr@uint8-wrap"])
def test_identical_images_have_100_db_so_that_they_can_be_counted(name):
    a, b = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), np.uint8)
    assert value(name, a, a) >= 100
    assert value(name, a, b) < 100


def test_closed_forms():
    grey = np.full((16, 16, 3), 100, np.uint8)
    lighter = grey + 51  # 0.2 of the range
    assert value("l1", grey, lighter) == pytest.approx(0.2, abs=1e-12)
    assert value("psnr", grey, lighter) == pytest.approx(-20 * np.log10(0.2), abs=1e-9)
    p, q = 100 / 255, 151 / 255
    luminance = (2 * p * q + 1e-4) / (p * p + q * q + 1e-4)
    for name in ("ssim", "ssim@uniform7-dr1", "ssim@gauss11-luma-valid"):
        assert value(name, grey, lighter) == pytest.approx(luminance, abs=1e-9)


@pytest.mark.parametrize("name", ["ssim", "ssim@gauss11-luma-valid", "ssim@uniform7-dr1", "ssim@uniform7-dr2"])
def test_images_smaller_than_the_window_are_refused(name):
    small = np.zeros((6, 40, 3), np.uint8)
    with pytest.raises(TalkbenchError, match="at least"):
        value(name, small, small)


def test_gradients_of_the_callers_images_are_left_alone():
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    metrics.create("ssim").compare(images, images.detach())
    images.sum().backward()
    assert torch.equal(images.grad, torch.ones_like(images))
