"""Images between files, 8-bit arrays and the float tensors that networks and metrics use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import PairError
from talkbench.core.files import atomic_path

if TYPE_CHECKING:
    import torch


def read_image(path: Path) -> np.ndarray:
    """An image file as uint8 RGB (H, W, 3), upright; grey becomes RGB, alpha is dropped.

    Raises:
        PairError: ``undecodable-frame``, the file is missing, broken, or grey with more than 8 bits.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"pixels of mode {image.mode}, convert them to 8 bits")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PairError("undecodable-frame", f"cannot read the image {path}: {error}") from error


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a uint8 RGB (H, W, 3) image losslessly and atomically."""
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) to (size, size, 3), bilinear, smoothed along the sides that shrink (scikit-image's
    ``resize`` with anti-aliasing, as specs evaluation 6.2 asks); unchanged if it has that size."""
    if image.shape[:2] == (size, size):
        return image
    from skimage.transform import resize as sk_resize

    scaled = sk_resize(image, (size, size), order=1, mode="reflect", anti_aliasing=True)
    return np.asarray(np.round(scaled * 255).clip(0, 255), dtype=np.uint8)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 RGB (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1]."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div(255)


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """float (B, 3, H, W) in [0, 1] to uint8 RGB (B, H, W, 3), clamped and rounded to nearest."""
    return quantise(images).mul(255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def quantise(images: torch.Tensor) -> torch.Tensor:
    """Clamp to [0, 1] and round to the 256 levels of an 8-bit file (specs evaluation 4.1), on the device."""
    return images.float().clamp(0, 1).mul(255).round().div(255)
