"""Images between files, arrays and tensors."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize as sk_resize

from talkbench.core.errors import PairError
from talkbench.core.images import quantise, read_image, resize, to_tensor, to_uint8, write_png


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def test_png_round_trip_is_lossless(tmp_path, image):
    write_png(tmp_path / "frames" / "0.png", image)
    assert np.array_equal(read_image(tmp_path / "frames" / "0.png"), image)


def test_alpha_is_dropped_and_grey_becomes_rgb(tmp_path, image):
    alpha = np.full((*image.shape[:2], 1), 7, dtype=np.uint8)
    Image.fromarray(np.concatenate([image, alpha], axis=2)).save(tmp_path / "alpha.png")
    Image.fromarray(image[..., 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_image(tmp_path / "alpha.png"), image)
    assert np.array_equal(read_image(tmp_path / "grey.png"), image[..., :1].repeat(3, axis=2))


def test_a_photograph_taken_sideways_is_read_upright(tmp_path, image):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera was turned a quarter
    Image.fromarray(image).save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "photo.png"), np.rot90(image, -1))


@pytest.mark.parametrize("broken", ["missing", "empty", "text", "truncated", "deep"])
def test_an_unreadable_image_fails_its_pair_only(tmp_path, image, broken):
    path = tmp_path / "image.png"
    if broken == "truncated":
        write_png(path, image)
        path.write_bytes(path.read_bytes()[:-900])
    elif broken == "deep":
        Image.fromarray(image[..., 0].astype(np.uint16) << 8).save(path)
    elif broken != "missing":
        path.write_text("" if broken == "empty" else "not an image")
    with pytest.raises(PairError, match=r"image\.png") as caught:
        read_image(path)
    assert caught.value.reason == "undecodable-frame"


def test_a_decompression_bomb_fails_its_pair_only(tmp_path, image, monkeypatch):
    write_png(tmp_path / "image.png", image)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(PairError, match="decompression bomb"):
        read_image(tmp_path / "image.png")


@pytest.mark.parametrize(("shape", "size"), [((90, 120), 64), ((50, 30), 40), ((64, 64), 32)])
def test_resize_is_that_of_scikit_image_but_for_ties(shape, size):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    exact = sk_resize(image, (size, size), order=1, mode="reflect", anti_aliasing=True) * 255
    assert abs(resize(image, size) - exact).max() < 0.5 + 1e-6


def test_resize_keeps_an_image_of_that_size(image):
    square = image[:, :24]
    assert resize(square, 24) is square


def test_resize_keeps_a_flat_colour_and_smooths_what_shrinks():
    assert np.array_equal(resize(np.full((50, 30, 3), 77, np.uint8), 40), np.full((40, 40, 3), 77, np.uint8))
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 254
    inner = resize(stripes, 16)[:, 2:-2]
    assert abs(inner.astype(int) - 127).max() < 20, "stripes finer than a pixel must become grey, not alias"


def test_tensors_and_arrays_convert_both_ways(image):
    tensor = to_tensor(image[None])
    assert tensor.shape == (1, 3, 24, 40)
    assert tensor.dtype == torch.float32
    assert tensor[0, 2, 5, 7] == image[5, 7, 2] / np.float32(255)
    assert np.array_equal(to_uint8(tensor)[0], image)


def test_quantise_rounds_to_8_bit_levels_once_and_for_all():
    values = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 0.5, 254.6 / 255, 1.0, 1.7])
    once = quantise(values)
    assert torch.equal(once.mul(255).round(), torch.tensor([0.0, 0, 0, 1, 128, 255, 255, 255]))
    assert torch.equal(quantise(once), once)
    levels = torch.arange(256) / 255
    assert torch.equal(quantise(levels), levels)
    noise = torch.rand(2, 3, 8, 8)
    assert np.array_equal(to_uint8(noise), to_uint8(quantise(noise)))
