"""Images between files, 8-bit arrays and the float tensors that networks and metrics use, on whatever device."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.errors import PairError
from talkbench.core.files import check_regular, write_atomic

if TYPE_CHECKING:
    import torch
    from PIL.ImageFile import ImageFile
    from scipy.sparse import csr_array


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
"""What is read, told by content, whatever a file is named. Pillow has readers that start other programs."""
MAX_MEGAPIXELS = 64
"""Larger images and video frames are refused before they are decoded."""


FITS = ("crop", "pad", "squeeze")
"""How an image that is not square is made so, see `squared`."""


class TooDeep(PairError):
    """An image has more than 8 bits per channel."""


def read_image(path: Path, data: bytes | None = None) -> np.ndarray:
    """An image file as uint8 RGB (H, W, 3), upright; grey becomes RGB, what is transparent becomes black.

    Args:
        data: see `open_image`.

    Raises:
        PairError: ``undecodable-frame``, see `open_image`; or the file is truncated.
    """
    pixels = read_pixels(path, data)
    return on_colour(pixels) if pixels.shape[2] == 4 else pixels


def read_pixels(path: Path, data: bytes | None = None) -> np.ndarray:
    """As `read_image`, but an image that may be transparent is uint8 RGBA (H, W, 4)."""
    from PIL import ImageOps

    with open_image(path, data) as image:
        upright = ImageOps.exif_transpose(image)
        return np.array(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


@contextmanager
def open_image(path: Path, data: bytes | None = None) -> Iterator[ImageFile]:
    """The image file `path`, or the `data` that was read from it, opened by Pillow and not yet decoded. What fails
    inside the ``with`` block fails in the same way.

    Raises:
        PairError: ``undecodable-frame``: the file is missing, none of `FORMATS`, damaged, larger than
            `MAX_MEGAPIXELS`, animated, or has more than 8 bits per channel (Pillow would cut some of them, silently).
    """
    from PIL import Image, UnidentifiedImageError

    warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged TIFF files, which fail below
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        check_regular(path)
        with Image.open(path if data is None else io.BytesIO(data), formats=FORMATS) as image:
            check_pixels(*image.size)
            pictures: int = getattr(image, "n_frames", 1)
            if image.format != "MPO" and pictures > 1:  # a photograph may hold a preview
                raise ValueError(f"it is an animation or holds several pictures, {pictures}; give one of them")
            if _is_deep(image):
                problem = f"cannot read the image {path}: it has more than 8 bits per channel; convert it to 8 bits"
                raise TooDeep("undecodable-frame", problem)
            yield image
    except PairError:
        raise
    except UnidentifiedImageError as error:
        empty = not (path.stat().st_size if data is None else data)
        kinds = f"it is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file, or one of pixels that are not 8 bits"
        raise _unreadable(path, "the file is empty" if empty else kinds) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _unreadable(path, f"it has more than {MAX_MEGAPIXELS} megapixels, the limit") from error
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except Exception as error:  # damaged files make Pillow's readers fail in any way
        raise _unreadable(path, str(error) or type(error).__name__) from error


def _is_deep(image: ImageFile) -> bool:
    """Whether the file has more than 8 bits per channel; the mode of colours is that of 8 bits all the same."""
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    bits = tags.get(258, ()) if tags else ()  # BitsPerSample; planes of 16 bits are not told by the tiles
    return (
        image.mode.startswith(("I", "F"))
        or max(bits if isinstance(bits, tuple) else (bits,), default=8) > 8
        or (image.format == "PNG" and ";16" in str(image.tile))
    )


def holds_picture(path: Path) -> bool:
    """Whether the file begins as one of `FORMATS`; nothing more is read."""
    from PIL import Image

    try:
        check_regular(path)
        with Image.open(path, formats=FORMATS):
            return True
    except Exception:  # as in `open_image`
        return False


def _unreadable(path: Path, problem: str) -> PairError:
    return PairError("undecodable-frame", f"cannot read the image {path}: {' '.join(problem.split())}")


def check_pixels(width: int, height: int) -> None:
    """Refuse an image or a video frame of more than `MAX_MEGAPIXELS`.

    Raises:
        ValueError: it is too large.
    """
    if width * height > MAX_MEGAPIXELS * 10**6:
        raise ValueError(f"{width}x{height} is more than {MAX_MEGAPIXELS} megapixels, the limit")


def on_colour(image: np.ndarray, colour: str | tuple[int, ...] = "black") -> np.ndarray:
    """uint8 RGBA (H, W, 4) laid on a colour of Pillow's, uint8 RGB (H, W, 3): colours under full transparency do not
    show."""
    from PIL import Image

    picture = Image.fromarray(image)
    return np.array(Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture).convert("RGB"))


def middle_square(image: np.ndarray) -> np.ndarray:
    """The largest square in the middle of an image (H, W, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def squared(image: np.ndarray, fit: str) -> np.ndarray:
    """A uint8 image (H, W, 3) ready to be resized to a square: ``crop`` takes its middle (`middle_square`),
    ``pad`` adds black on both sides, ``squeeze`` leaves it as it is."""
    if fit == "crop":
        return middle_square(image)
    height, width = image.shape[:2]
    if fit == "squeeze" or height == width:
        return image
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left), (0, 0)))


def stored_size(path: Path, data: bytes | None = None) -> tuple[int, int]:
    """Width and height in pixels of an image file as stored; the image is not decoded.

    Args:
        data: see `open_image`.

    Raises:
        PairError: ``undecodable-frame``, see `open_image`.
    """
    with open_image(path, data) as image:
        return image.size


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a uint8 RGB (H, W, 3) image losslessly and atomically."""
    write_atomic(path, encode_png(image))


def encode_png(image: np.ndarray) -> bytes:
    """A uint8 RGB (H, W, 3) image as a PNG file, lossless."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) to (size, size, 3), bilinear, smoothed along the sides that shrink (scikit-image's
    ``resize`` with anti-aliasing, as docs/specs/evaluation.md 6.2 asks); unchanged if it has that size."""
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return image
    rows = (resize_weights(height, size) @ image.reshape(height, -1)).reshape(size, width, 3)
    columns = resize_weights(width, size) @ rows.transpose(1, 0, 2).reshape(width, -1)
    return np.round(columns.reshape(size, size, 3).transpose(1, 0, 2)).astype(np.uint8)


@lru_cache(maxsize=16)
def resize_weights(length: int, size: int) -> csr_array:
    """The weight of each of `length` pixels in each of `size` pixels, (size, length). scikit-image's resize is linear
    and separable, so its result on the unit vectors is this matrix, which is ten times faster to apply."""
    from scipy.sparse import csr_array
    from skimage.transform import resize as sk_resize

    return csr_array(sk_resize(np.eye(length), (size, length), order=1, mode="reflect", anti_aliasing=True))


def to_tensor(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 RGB (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1] on `device`."""
    import torch

    # Bytes are sent to the device, not floats: a quarter of the traffic.
    return from_levels(torch.from_numpy(np.ascontiguousarray(images)).to(device))


def from_levels(levels: torch.Tensor) -> torch.Tensor:
    """uint8 RGB (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1], on the device."""
    return levels.permute(0, 3, 1, 2).float().div(255)


def to_levels(images: torch.Tensor, cut: bool = False) -> torch.Tensor:
    """float (B, 3, H, W) in [0, 1] to uint8 RGB (B, H, W, 3), clamped and rounded to nearest, or cut, on the device
    (docs/specs/evaluation.md 4, point 1)."""
    levels = images.float().clamp(0, 1).mul(255)
    return (levels if cut else levels.round()).byte().permute(0, 2, 3, 1).contiguous()


def to_uint8(images: torch.Tensor, cut: bool = False) -> np.ndarray:
    """`to_levels` as an array of the host."""
    return to_levels(images, cut).cpu().numpy()


def quantise(images: torch.Tensor) -> torch.Tensor:
    """Clamp to [0, 1] and round to the 256 levels of an 8-bit file, on the device
    (docs/specs/evaluation.md 4, point 1)."""
    return images.float().clamp(0, 1).mul(255).round().div(255)


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """A uint8 RGB (H, W, 3) image after JPEG compression of `quality` 1 to 95 by Pillow's encoder with its defaults."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    with Image.open(file) as stored:
        return np.array(stored)


def upload(images: Sequence[np.ndarray], device: torch.device | str) -> torch.Tensor:
    """uint8 images of one shape (H, W, 3) on `device`, (N, H, W, 3). A CUDA device fetches them while the host goes
    on."""
    import torch

    pinned = torch.device(device).type == "cuda"
    stacked = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=pinned)
    np.stack(images, out=stacked.numpy())
    return stacked.to(device, non_blocking=pinned)


def upload_numbers(numbers: Sequence[int] | Sequence[Sequence[int]], device: torch.device | str) -> torch.Tensor:
    """Whole numbers, such as indices, on `device`, in the manner of `upload`."""
    import torch

    return send(torch.tensor(numbers), torch.device(device))


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the host on `device`, in the manner of `upload`."""
    pinned = device.type == "cuda"
    return (tensor.pin_memory() if pinned else tensor).to(device, non_blocking=pinned)


class OnDevice:
    """Images on a device, uint8 of one shape (H, W, 3), by any keys.

    Args:
        images: by their keys. Those that are asked for together are best neighbours.
    """

    def __init__(self, images: Mapping[Any, np.ndarray], device: torch.device | str) -> None:
        self._levels = upload([*images.values()], device)
        self._places = {key: place for place, key in enumerate(images)}

    def __call__(self, keys: Sequence[Any]) -> torch.Tensor:
        """The images of these keys, float32 (N, 3, H, W) in [0, 1]."""
        places = [self._places[key] for key in keys]
        start, end = places[0], places[0] + len(places)
        if places == [*range(start, end)]:  # then no index has to go to the device
            return from_levels(self._levels[start:end])
        return from_levels(self._levels[upload_numbers(places, self._levels.device)])


class Download:
    """Tensors of one device on their way to the host.

    From a CUDA device they are fetched behind the work that computes them, and the host goes on meanwhile.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        import torch

        # Only CUDA has an event to wait for; there torch gives tensors that are fetched so pinned memory.
        queued = bool(tensors) and tensors[0].is_cuda
        self._tensors = [tensor.detach().to("cpu", non_blocking=queued) for tensor in tensors]
        self._event = torch.cuda.Event() if queued else None
        if self._event is not None:
            self._event.record(torch.cuda.current_stream(tensors[0].device))

    def wait(self) -> list[np.ndarray]:
        """The tensors as arrays; waits for the work that computes them, and for no work that was begun after it."""
        if self._event is not None:
            self._event.synchronize()
        return [tensor.numpy() for tensor in self._tensors]
