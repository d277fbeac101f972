"""Images to try a method on without a data set."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ANY_SIZE = 256  # for methods that work at any size: the field's resolution
OCTAVES = {4: 1.0, 8: 0.5, 16: 0.25, 32: 0.25}


def probe_images(count: int, size: int, device: torch.device | str = "cpu", seed: int = 0) -> Tensor:
    """`count` different images (count, 3, size, size) in [0, 1], always the same for the same arguments.

    Noise at several scales, coarse strongest, as in photographs: white noise has no structure that keypoints could
    settle on, so that even fresh weights put them all into one spot, where hulls and inverses degenerate.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.full((count, 3, size, size), 0.5)
    for cells, strength in OCTAVES.items():
        noise = torch.rand(count, 3, cells, cells, generator=generator) - 0.5
        images += strength * F.interpolate(noise, (size, size), mode="bicubic", align_corners=False)
    return images.clamp(0, 1).to(device)
