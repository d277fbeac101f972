"""L1 and PSNR against the goldens, scikit-image and closed forms; what all pixel metrics do."""

import numpy as np
import pytest
import torch
from pixel_pairs import check_goldens, rebuilt, value
from skimage.metrics import peak_signal_noise_ratio

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics import pixel


def test_the_inputs_are_the_goldens_inputs(golden):
    for entry in golden["pixel_pairs"]:
        truth, generated = rebuilt(**entry["input"])
        assert int(truth.sum(dtype=np.int64)) == entry["checksum"]["truth_sum"]
        assert int(generated.sum(dtype=np.int64)) == entry["checksum"]["generated_sum"]


@pytest.mark.parametrize("name", ["l1", "psnr", "psnr@uint8-wrap", "psnr@luma"])
def test_goldens(golden, name):
    check_goldens(golden, name, 1e-9)


def test_golden_of_psnr_with_another_range(golden):
    for entry in golden["pixel_pairs"]:
        psnr2 = pixel.decibels(torch.tensor(entry["mse"], dtype=torch.float64), data_range=2)
        assert psnr2.item() == pytest.approx(entry["psnr@dr2"], abs=1e-9)


def test_psnr_is_scikit_images():
    a, b = np.random.default_rng(1).integers(0, 256, (2, 40, 61, 3), np.uint8)
    assert value("psnr", a, b) == pytest.approx(peak_signal_noise_ratio(a / 255, b / 255), abs=1e-9)


def test_l1_before_rounding_is_the_goldens_l1_of_floats(golden):
    (entry,) = golden["quantisation"]
    seed, shape = entry["input"]["seed"], entry["input"]["shape"]
    x, y = (np.random.RandomState(s).uniform(0, 1, shape).astype(np.float32) for s in (seed, seed + 1000))
    generated, target = (torch.from_numpy(pixel).reshape(1, *shape) for pixel in (x, y))
    found = metrics.create("l1@unquantised").compare(generated, target)[0]
    assert found == pytest.approx(entry["l1_float"], abs=1e-7)  # whose mean was taken in float32


def test_l1_before_rounding_is_clamped():
    metric = metrics.create("l1@unquantised")
    assert metric.unquantised
    generated = torch.tensor([-3.0, 0.25 + 1e-4, 7.0])[None, :, None, None].expand(1, 3, 4, 4)
    target = torch.tensor([0.0, 0.25, 1.0])[None, :, None, None].expand(1, 3, 4, 4)
    assert metric.compare(generated, target)[0] == pytest.approx(1e-4 / 3, rel=1e-3)


def test_wrapped_psnr_is_numpys_8_bit_arithmetic():
    a, b = np.random.default_rng(2).integers(0, 256, (2, 32, 32, 3), np.uint8)
    wrapped = np.mean((a - b) ** 2)
    assert ((a - b) ** 2).dtype == np.uint8
    assert value("psnr@uint8-wrap", a, b) == pytest.approx(10 * np.log10(255**2 / wrapped), abs=1e-9)


def test_wrapped_psnr_may_call_a_worse_image_better_and_so_never_ranks():
    grey = np.full((16, 16, 3), 100, np.uint8)
    assert value("psnr@uint8-wrap", grey, grey + 16) > value("psnr@uint8-wrap", grey, grey + 8)
    assert not metrics.create("psnr@uint8-wrap").ranks
    assert metrics.create("psnr").ranks


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


@pytest.mark.parametrize("name", ["l1", "l1@unquantised", "psnr", "psnr@luma", "psnr@uint8-wrap", "ssim", "flicker"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_spoil_their_own_pair_only(name, bad):
    metric = metrics.create(name)
    shape = (3, 2, 3, 16, 16) if metric.history else (3, 3, 16, 16)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    spoilt = images.clone()
    spoilt[1, ..., 8, 8] = bad
    for generated, target in [(spoilt, images * 0.9), (images * 0.9, spoilt)]:
        assert np.isnan(metric.compare(generated, target)).tolist() == [False, True, False]


def test_sizes_that_differ_are_refused():
    with pytest.raises(TalkbenchError, match=r"differ in shape \(1x3x4x4 and 1x3x4x5\)"):
        metrics.create("l1").compare(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


def test_gradients_of_the_callers_images_are_left_alone():
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    metrics.create("ssim").compare(images, images.detach())
    images.sum().backward()
    assert torch.equal(images.grad, torch.ones_like(images))
