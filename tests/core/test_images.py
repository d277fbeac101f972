"""Images between files, arrays and tensors."""

import struct
import subprocess
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize as sk_resize

from talkbench.core.errors import PairError
from talkbench.core.images import (
    holds_picture,
    middle_square,
    quantise,
    read_image,
    resize,
    squared,
    stored_size,
    to_tensor,
    to_uint8,
    write_png,
)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def test_png_round_trip_is_lossless(tmp_path, image):
    write_png(tmp_path / "frames" / "0.png", image)
    assert np.array_equal(read_image(tmp_path / "frames" / "0.png"), image)


def test_what_is_transparent_becomes_black_and_grey_becomes_rgb(tmp_path, image):
    alpha = np.full((*image.shape[:2], 1), 255, dtype=np.uint8)
    alpha[:12] = 0
    alpha[12:14] = 51
    Image.fromarray(np.concatenate([image, alpha], axis=2)).save(tmp_path / "alpha.png")
    Image.fromarray(image[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(image[..., 0]).save(tmp_path / "key.png", transparency=int(image[0, 0, 0]))
    Image.fromarray(np.concatenate([image[..., :1], alpha], axis=2)).save(tmp_path / "grey alpha.png")
    palette = Image.fromarray(image[..., 0] // 64).convert("P")
    palette.putpalette([200, 100, 50] * 4)
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 255, 255]))
    read = read_image(tmp_path / "alpha.png")
    assert (read[:12] == 0).all(), "the noise under full transparency is not seen"
    assert np.abs(read[12:14] - 0.2 * image[12:14]).max() <= 1
    assert np.array_equal(read[14:], image[14:])
    grey = image[..., :1].repeat(3, axis=2)
    assert np.array_equal(read_image(tmp_path / "grey.png"), grey)
    assert (read_image(tmp_path / "grey alpha.png")[:12] == 0).all()
    assert np.array_equal(read_image(tmp_path / "grey alpha.png")[14:], grey[14:])
    assert np.array_equal(read_image(tmp_path / "palette.png"), np.where(grey < 64, 0, (200, 100, 50)))
    assert np.array_equal(read_image(tmp_path / "key.png"), np.where(grey == image[0, 0, 0], 0, grey))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_formats_are_told_by_content(tmp_path, kind):
    image = np.full((24, 40, 3), (90, 120, 30), np.uint8)
    path = tmp_path / "frame.png"
    Image.fromarray(image).save(path, format=kind)
    assert np.abs(read_image(path).astype(int) - image).max() < 4


def test_no_other_format_is_opened(tmp_path, image, monkeypatch):
    def starts(*arguments, **options):
        raise AssertionError("a process is started")

    monkeypatch.setattr(subprocess, "Popen", starts)  # Pillow's reader of EPS runs Ghostscript
    (tmp_path / "page.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n(x) print\nshowpage\n%%EOF\n"
    )
    Image.fromarray(image).save(tmp_path / "gif.png", format="GIF")
    Image.fromarray(image).save(tmp_path / "icon.png", format="ICO")
    for name in ("page.png", "gif.png", "icon.png"):
        with pytest.raises(PairError, match="it is no PNG, JPEG, WEBP, BMP or TIFF file"):
            read_image(tmp_path / name)
        with pytest.raises(PairError, match="it is no PNG, JPEG, WEBP, BMP or TIFF file"):
            stored_size(tmp_path / name)
        assert not holds_picture(tmp_path / name)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(tmp_path, image, kind):
    picture = Image.fromarray(image)
    picture.save(tmp_path / "two.png", format=kind, save_all=True, append_images=[Image.new("RGB", picture.size)])
    with pytest.raises(PairError, match=r"holds several pictures, 2; give one of them"):
        read_image(tmp_path / "two.png")


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


def header(width: int, height: int, bits: int = 8) -> bytes:
    """The beginning of an RGB PNG, without its pixels."""
    chunks = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)), (b"IDAT", b"")):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return chunks


@pytest.mark.parametrize("side", [8001, 12000, 20000])
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path, side, recwarn):
    (tmp_path / "image.png").write_bytes(header(side, side))
    with pytest.raises(PairError, match="more than 64 megapixels") as caught:
        read_image(tmp_path / "image.png")
    assert caught.value.reason == "undecodable-frame"
    assert not recwarn.list


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0\x08\0\0\0\x01"])
def test_hardly_a_beginning_is_one_line(tmp_path, content, recwarn):
    (tmp_path / "image.png").write_bytes(content)
    for read in (read_image, stored_size):
        with pytest.raises(PairError, match="the file is empty" if not content else "cannot read the image") as caught:
            read(tmp_path / "image.png")
        assert "\n" not in str(caught.value)
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_truncated_images_of_every_kind_are_refused(tmp_path, image, kind, recwarn):
    Image.fromarray(image).save(tmp_path / "whole.png", format=kind)
    content = (tmp_path / "whole.png").read_bytes()
    for length in range(1, len(content) - 24, 50):
        (tmp_path / "cut.png").write_bytes(content[:length])
        with pytest.raises(PairError, match=r"^cannot read the image [^\n]*$"):
            read_image(tmp_path / "cut.png")
    assert not recwarn.list


@pytest.mark.parametrize("planes", [1, 2])  # pixel by pixel, colour by colour
def test_more_than_8_bits_of_colours_in_tiff_are_refused(tmp_path, planes):
    """8 x 8 pixels of RGB with 16 bits, which no writer at hand makes."""
    entries = {256: 8, 257: 8, 259: 1, 262: 2, 277: 3, 278: 8, 284: planes}  # sides, compression, RGB, samples, rows
    tags = {tag: (3, 1, struct.pack("<HH", value, 0)) for tag, value in entries.items()}
    tags[258] = 3, 3, struct.pack("<I", 8)
    count = 1 if planes == 1 else 3
    tags[273] = 4, count, struct.pack("<I", 32 if count == 1 else 14)
    tags[279] = 4, count, struct.pack("<I", 8 * 8 * 6 if count == 1 else 14)
    listed = b"".join(
        struct.pack("<HHI", tag, kind, number) + data for tag, (kind, number, data) in sorted(tags.items())
    )
    before = struct.pack("<HHH", 16, 16, 16) + struct.pack("<III", 32, 32, 32)
    start = 32 + 8 * 8 * 6
    content = (b"II*\0" + struct.pack("<I", start) + before).ljust(32, b"\0") + bytes(8 * 8 * 6)
    (tmp_path / "deep.tif").write_bytes(content + struct.pack("<H", len(tags)) + listed + bytes(4))
    with pytest.raises(PairError, match=r"more than 8 bits per channel|pixels that are not 8 bits"):
        read_image(tmp_path / "deep.tif")


@pytest.mark.parametrize("mode", ["grey PNG", "RGB PNG", "TIFF"])
def test_more_than_8_bits_are_refused(tmp_path, image, mode):
    path = tmp_path / "deep.png"
    if mode == "RGB PNG":
        path.write_bytes(header(40, 24, 16))
    else:
        Image.fromarray(image[..., 0].astype(np.uint16) << 8).save(path, format=mode.removeprefix("grey "))
    with pytest.raises(PairError, match="more than 8 bits per channel; convert it to 8 bits"):
        read_image(path)


def test_the_largest_square_in_the_middle(image):
    assert np.array_equal(middle_square(image), image[:, 8:32])
    assert np.array_equal(middle_square(image.swapaxes(0, 1)), image.swapaxes(0, 1)[8:32])
    assert middle_square(image[:, :24]).shape == (24, 24, 3)


def test_images_are_made_square(image):
    padded = squared(image, "pad")
    assert np.array_equal(padded[8:32], image)
    assert not padded[:8].any()
    assert not padded[32:].any()
    assert np.array_equal(squared(image, "crop"), middle_square(image))
    assert squared(image, "squeeze") is image
    assert squared(padded, "pad") is padded


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
