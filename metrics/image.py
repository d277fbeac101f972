"""Metrics on the images themselves: L1, PSNR and SSIM in the variants of specs evaluation 3.1 to 3.3.

All are computed per pair, in batches, on the device of the generated images, and in float64 unless the name
says otherwise.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.interface import Metric

PSNR_CAP = 100.0
"""Decibels given to images that are identical (or as good as): a value of 100 counts as capped."""

GAUSS11 = [math.exp(-(x**2) / (2 * 1.5**2)) for x in range(-5, 6)]
GAUSS11 = [weight / sum(GAUSS11) for weight in GAUSS11]
"""Gaussian of sigma 1.5, cut at 5 pixels, of sum 1."""

UNIFORM7 = [1 / 7] * 7


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over pixels and channels (specs evaluation 3.1): (B, C, H, W) twice to (B,)."""
    return (a - b).abs().mean(dim=(1, 2, 3))


def decibels(mse: Tensor, data_range: float = 1.0) -> Tensor:
    """``10 log10(data_range² / mse)``, at most 100 dB (specs evaluation 3.2).

    >>> decibels(torch.tensor([1.0, 0.01, 0.0]))
    tensor([  0.,  20., 100.])
    """
    return (10 * torch.log10(data_range**2 / mse)).clamp(max=PSNR_CAP)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of images in [0, 1], decibels: (B, C, H, W) twice to (B,)."""
    return decibels((a - b).square().mean(dim=(1, 2, 3)))


def psnr_uint8_wrap(a: Tensor, b: Tensor) -> Tensor:
    """PSNR as it comes out when 8-bit images are subtracted and squared in 8 bits (specs evaluation 3.2, fact 3).

    Both operations wrap, so each value contributes its squared difference modulo 256: (B, C, H, W) twice to (B,).
    """
    difference = (a * 255).round() - (b * 255).round()
    return decibels(difference.square().remainder(256).mean(dim=(1, 2, 3)), data_range=255)


def luma(images: Tensor) -> Tensor:
    """``0.299 R + 0.587 G + 0.114 B``: (B, 3, H, W) to (B, 1, H, W)."""
    red, green, blue = images.split(1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def local_mean(images: Tensor, window: list[float]) -> Tensor:
    """Weighted mean under a separable square window where it fits: (…, H, W) to (…, H-n+1, W-n+1), n its side.

    Shifted sums, not a convolution: several times faster in float64 on a CPU, and never in TF32 on a GPU.
    """
    for dim in (-1, -2):
        length = images.shape[dim] - len(window) + 1
        total = images.narrow(dim, 0, length) * window[0]
        for shift, weight in enumerate(window[1:], start=1):
            total.add_(images.narrow(dim, shift, length), alpha=weight)
        images = total
    return images


def ssim(
    a: Tensor, b: Tensor, window: list[float], *, data_range: float = 1.0, sample: bool = False, pad: bool = False
) -> Tensor:
    """Structural similarity (specs evaluation 3.3), mean over pixels and channels: (B, C, H, W) twice to (B,).

    Args:
        a: images.
        b: images.
        window: weights along one axis, of sum 1; the square window is their product.
        data_range: R in ``C1 = (0.01 R)²``, ``C2 = (0.03 R)²``.
        sample: variances and covariance divided by n-1 instead of n (n the number of pixels in the window).
        pad: zeros around the images, so that no border is cut.

    Raises:
        TalkbenchError: the images are smaller than the window.
    """
    side = len(window)
    if pad:
        a, b = (functional.pad(image, [side // 2] * 4) for image in (a, b))
    if min(a.shape[-2:]) < side:
        raise TalkbenchError(f"SSIM needs images of at least {side}x{side} pixels; use larger frames")
    mean_a, mean_b = local_mean(a, window), local_mean(b, window)
    bessel = side**2 / (side**2 - 1) if sample else 1.0
    variances = bessel * (local_mean(a.square() + b.square(), window) - mean_a.square() - mean_b.square())
    covariance = bessel * (local_mean(a * b, window) - mean_a * mean_b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean(dim=(1, 2, 3))


class ImageMetric(Metric[Tensor]):
    """A metric whose features are the images themselves; a subclass gives its formula."""

    dtype = torch.float64

    @abstractmethod
    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        """Values (B,) of images (B, 3, H, W) of type `dtype` on one device."""

    def compare(self, generated: Tensor, target: Tensor) -> np.ndarray:
        if generated.shape != target.shape:
            sizes = " and ".join("x".join(map(str, images.shape)) for images in (generated, target))
            raise TalkbenchError(f"generated and target images differ in shape ({sizes}); resize one of them first")
        # A GPU takes the batch at once; on a CPU one pair at a time stays in the cache, which is several times faster.
        step = 1 if generated.device.type == "cpu" else max(len(generated), 1)
        pairs = zip(generated.detach().split(step), target.detach().split(step), strict=True)
        parts = [self.formula(a.to(self.dtype), b.to(a.device, self.dtype)) for a, b in pairs]
        return torch.cat(parts).double().cpu().numpy()


@registry.register("l1")
class L1(ImageMetric):
    """Mean absolute difference of images in [0, 1]."""

    name = "l1"
    direction = "lower"
    range = (0.0, 1.0)
    decimals = 4

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return l1(a, b)


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


class _Ssim(ImageMetric):
    direction = "higher"
    unit = "%"
    range = (-1.0, 1.0)
    decimals = 1
    scale = 100.0


@registry.register("ssim")
class Ssim(_Ssim):
    """SSIM of the RGB channels under an 11x11 Gaussian window, border cut."""

    name = "ssim"
    default_variant = "gauss11-valid"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, GAUSS11)


@registry.register("ssim@gauss11-zeropad-f32")
class SsimGauss11ZeropadF32(_Ssim):
    """SSIM as the pytorch_ssim module computes it: Gaussian window, zero padding, float32."""

    name = "ssim@gauss11-zeropad-f32"
    dtype = torch.float32

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, GAUSS11, pad=True)


@registry.register("ssim@gauss11-luma-valid")
class SsimGauss11LumaValid(_Ssim):
    """SSIM of the luma image under an 11x11 Gaussian window, border cut."""

    name = "ssim@gauss11-luma-valid"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(luma(a), luma(b), GAUSS11)


@registry.register("ssim@uniform7-dr1")
class SsimUniform7Dr1(_Ssim):
    """SSIM under a 7x7 box window with sample covariance, as scikit-image has it by default."""

    name = "ssim@uniform7-dr1"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, UNIFORM7, sample=True)


@registry.register("ssim@uniform7-dr2")
class SsimUniform7Dr2(_Ssim):
    """SSIM under a 7x7 box window with the data range 2 that scikit-image up to 0.19 assumed for floats."""

    name = "ssim@uniform7-dr2"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, UNIFORM7, sample=True, data_range=2.0)
