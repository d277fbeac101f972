"""Images between files, 8-bit arrays and the float tensors that networks and metrics use."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.core.files import atomic_path, check_regular

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_array


def read_image(path: Path) -> np.ndarray:
    """An image file as uint8 RGB (H, W, 3), upright; grey becomes RGB, alpha is dropped.

    Raises:
        PairError: ``undecodable-frame``, the file is missing, broken, or grey with more than 8 bits.
    """
    from PIL import Image, ImageOps

    try:
        check_regular(path)
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"pixels of mode {image.mode}, convert them to 8 bits")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (TalkbenchError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PairError("undecodable-frame", f"cannot read the image {path}: {error}") from error


def stored_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of an image file as stored; the image is not decoded.

    Raises:
        PairError: ``undecodable-frame``, as `read_image` for a file that is missing or no image.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PairError("undecodable-frame", f"cannot read the image {path}: {error}") from error


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a uint8 RGB (H, W, 3) image losslessly and atomically."""
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


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
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float().div(255)


def to_uint8(images: torch.Tensor, cut: bool = False) -> np.ndarray:
    """float (B, 3, H, W) in [0, 1] to uint8 RGB (B, H, W, 3), clamped and rounded to nearest, or cut
    (docs/specs/evaluation.md 4, point 1)."""
    levels = images.float().clamp(0, 1).mul(255)
    return (levels if cut else levels.round()).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


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
