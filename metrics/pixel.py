"""Metrics on the images themselves, L1 and PSNR (docs/specs/evaluation.md 3.1, 3.2), and what all such metrics share.

All are computed per pair, in batches, on the device of the generated images, and in float64 unless the class
says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric

if TYPE_CHECKING:
    from torch import Tensor

PSNR_CAP = 100.0
"""Decibels given to images that are identical (or as good as): a value of 100 counts as capped."""

PASS_PIXELS = 32 * 256**2
"""Pixels of the pairs that an accelerator takes at once: enough to keep it busy, and a few GiB of it for VGG16."""


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over pixels and channels (docs/specs/evaluation.md 3.1): (B, C, H, W) twice to (B,)."""
    return (a - b).abs().mean(dim=(1, 2, 3))


def decibels(mse: Tensor, data_range: float = 1.0) -> Tensor:
    """``10 log10(data_range² / mse)``, at most 100 dB (docs/specs/evaluation.md 3.2).

    >>> import torch
    >>> decibels(torch.tensor([1.0, 0.01, 0.0]))
    tensor([  0.,  20., 100.])
    """
    import torch

    return (10 * torch.log10(data_range**2 / mse)).clamp(max=PSNR_CAP)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of images in [0, 1], decibels: (B, C, H, W) twice to (B,)."""
    return decibels((a - b).square().mean(dim=(1, 2, 3)))


def psnr_uint8_wrap(a: Tensor, b: Tensor) -> Tensor:
    """PSNR as it comes out when 8-bit images are subtracted and squared in 8 bits
    (docs/specs/evaluation.md 3.2, fact 3).

    Both operations wrap, so each value contributes its squared difference modulo 256: (B, C, H, W) twice to (B,).
    """
    difference = (a * 255).round() - (b * 255).round()
    return decibels(difference.square().remainder(256).mean(dim=(1, 2, 3)), data_range=255)


def luma(images: Tensor) -> Tensor:
    """``0.299 R + 0.587 G + 0.114 B``: (B, 3, H, W) to (B, 1, H, W)."""
    red, green, blue = images.split(1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


class ImageMetric(Metric["Tensor"]):
    """A metric whose features are the images themselves; a subclass gives its formula."""

    dtype: Literal["float32", "float64"] = "float64"

    @abstractmethod
    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        """Values (B,) of generated images `a` and targets `b`, (B, 3, H, W) of type `dtype` on one device."""

    def compare(self, generated: Tensor, target: Tensor) -> np.ndarray:
        return self.values(generated, target).cpu().numpy()

    def values(self, generated: Tensor, target: Tensor) -> Tensor:
        """`compare`, with the values still on the device of `generated`; the host does not wait for them."""
        import torch

        if generated.shape != target.shape:
            sizes = " and ".join("x".join(map(str, images.shape)) for images in (generated, target))
            raise TalkbenchError(f"generated and target images differ in shape ({sizes}); resize one of them first")
        on_cpu = generated.device.type == "cpu"  # where one pair at a time stays in the cache: several times faster
        step = 1 if on_cpu else max(1, PASS_PIXELS // max(1, generated.shape[-2] * generated.shape[-1]))
        pairs = zip(generated.detach().split(step), target.detach().split(step), strict=True)
        dtype = getattr(torch, self.dtype)
        return torch.cat([self._values(a.to(dtype), b.to(a.device, dtype)) for a, b in pairs])

    def _values(self, a: Tensor, b: Tensor) -> Tensor:
        import torch

        finite = (a - b).isfinite().flatten(1).all(1)
        return self.formula(a, b).double().masked_fill(~finite, torch.nan)


@registry.register("l1")
class L1(ImageMetric):
    """Mean absolute difference of images in [0, 1]."""

    name = "l1"
    direction = "lower"
    range = (0.0, 1.0)
    decimals = 4

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return l1(a, b)


@registry.register("l1@unquantised")
class L1Unquantised(L1):
    """L1 of the network's output clamped to [0, 1] but not rounded to 8 bits, as the video protocol has it."""

    name = "l1@unquantised"
    unquantised = True

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return l1(a.clamp(0, 1), b)


class _Psnr(ImageMetric):
    direction = "higher"
    unit = "dB"
    range = (0.0, PSNR_CAP)
    cap = PSNR_CAP
    decimals = 2


@registry.register("psnr")
class Psnr(_Psnr):
    """Peak signal-to-noise ratio with data range 1, per pair, capped at 100 dB."""

    name = "psnr"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return psnr(a, b)


@registry.register("psnr@uint8-wrap")
class PsnrUint8Wrap(_Psnr):
    """PSNR with the 8-bit overflow that the published tables seem to have; not monotone in quality, never ranks."""

    name = "psnr@uint8-wrap"
    ranks = False

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return psnr_uint8_wrap(a, b)


@registry.register("psnr@luma")
class PsnrLuma(_Psnr):
    """PSNR of the luma image."""

    name = "psnr@luma"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return psnr(luma(a), luma(b))
