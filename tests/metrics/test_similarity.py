"""SSIM and MS-SSIM against the goldens, scikit-image, pytorch-msssim and closed forms."""

import numpy as np
import pytest
import torch
from pixel_pairs import check_goldens, rebuilt, tensor, value
from pytorch_msssim import ms_ssim as reference_ms_ssim
from skimage.metrics import structural_similarity
from torch.nn import functional

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import similarity

WINDOWED = ["ssim", "ssim@gauss11-luma-valid", "ssim@uniform7-dr1", "ssim@uniform7-dr2", "ms-ssim"]


@pytest.mark.parametrize("name", ["ssim@gauss11-valid", *WINDOWED[1:4]])
def test_goldens(golden, name):
    check_goldens(golden, name, 1e-9)


def test_golden_of_the_float32_variant(golden):
    check_goldens(golden, "ssim@gauss11-zeropad-f32", 1e-5)


def test_golden_of_the_formula_with_another_range(golden):
    for entry in golden["pixel_pairs"]:
        truth, generated = rebuilt(**entry["input"])
        a, b = tensor(truth) * 255, tensor(generated) * 255
        ssim255 = similarity.ssim(a, b, similarity.UNIFORM7, data_range=255, sample=True)
        assert ssim255.item() == pytest.approx(entry["ssim@uniform7-dr255-uint8"], abs=1e-9)


@pytest.mark.parametrize(("name", "data_range"), [("ssim@uniform7-dr1", 1.0), ("ssim@uniform7-dr2", 2.0)])
@pytest.mark.parametrize("size", [(64, 64), (7, 90), (51, 33)])
def test_ssim_is_scikit_images(name, data_range, size):
    a, b = np.random.default_rng(size[0]).integers(0, 256, (2, *size, 3), np.uint8)
    expected = structural_similarity(a / 255, b / 255, channel_axis=2, data_range=data_range)
    assert value(name, a, b) == pytest.approx(expected, abs=1e-9)


def test_gaussian_ssim_is_scikit_images():
    a, b = np.random.default_rng(1).integers(0, 256, (2, 40, 61, 3), np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = structural_similarity(a / 255, b / 255, channel_axis=2, **options)
    assert value("ssim", a, b) == pytest.approx(expected, abs=1e-9)


def test_closed_form():
    grey = np.full((176, 176, 3), 100, np.uint8)
    p, q = 100 / 255, 151 / 255
    luminance = (2 * p * q + 1e-4) / (p * p + q * q + 1e-4)
    for name in ("ssim", "ssim@uniform7-dr1", "ssim@gauss11-luma-valid"):
        assert value(name, grey, grey + 51) == pytest.approx(luminance, abs=1e-9)
    assert value("ms-ssim", grey, grey + 51) == pytest.approx(luminance**0.1333, abs=1e-9)


@pytest.fixture
def distorted():
    """Smooth images and the same with noise of growing strength, (4, 3, 192, 176) twice, float64."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((4, 3, 24, 22), dtype=torch.float64, generator=generator)
    images = functional.interpolate(coarse, scale_factor=8, mode="bilinear")
    noise = torch.randn(images.shape, dtype=torch.float64, generator=generator)
    return images, (images + torch.tensor([0.02, 0.1, 0.3, 1.0])[:, None, None, None] * noise).clamp(0, 1)


def test_ms_ssim_is_pytorch_msssims(distorted):
    expected = reference_ms_ssim(*distorted, data_range=1.0, size_average=False)
    values = metrics.create("ms-ssim").compare(*distorted)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
    assert np.all(np.diff(values) < 0)


def test_ms_ssim_counts_a_negative_term_as_zero(distorted):
    images, _ = distorted
    assert metrics.create("ms-ssim").compare(1 - images, images).tolist() == [0] * 4
    expected = reference_ms_ssim(1 - images, images, data_range=1.0, size_average=False)
    assert expected.tolist() == [0] * 4


def test_ms_ssim_averages_what_there_is_at_an_odd_edge(distorted):
    """As if the last row and column of an odd scale were there twice."""

    def halved(images):
        height, width = images.shape[-2:]
        padded = functional.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        return functional.avg_pool2d(padded, 2)

    a, b = (images[:1, :, :161, :163] for images in distorted)
    expected = torch.ones(1, 3, dtype=torch.float64)
    for scale, weight in enumerate(similarity.SCALES):
        maps = similarity.ssim_maps(a, b, similarity.GAUSS11)
        expected *= (maps[0] * maps[1] if scale == 4 else maps[1]).mean((2, 3)) ** weight
        a, b = halved(a), halved(b)
    value = metrics.create("ms-ssim").compare(*(images[:1, :, :161, :163] for images in distorted))
    np.testing.assert_allclose(value, expected.mean(1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", WINDOWED)
def test_the_least_size_is_what_the_window_needs(name):
    size = metrics.create(name).min_size
    enough, small = np.zeros((size, size + 9, 3), np.uint8), np.zeros((size - 1, size + 9, 3), np.uint8)
    assert value(name, enough, enough) == pytest.approx(1)
    with pytest.raises(TalkbenchError, match="at least"):
        value(name, small, small)


def test_zero_padding_leaves_no_least_size():
    pixel = np.full((1, 1, 3), 200, np.uint8)
    assert metrics.create("ssim@gauss11-zeropad-f32").min_size == 1
    assert value("ssim@gauss11-zeropad-f32", pixel, pixel) == pytest.approx(1)
