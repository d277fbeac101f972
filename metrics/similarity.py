"""Structural similarity in the variants of docs/specs/evaluation.md 3.3, and its multi-scale form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import registry
from talkbench.metrics.pixel import ImageMetric, luma

if TYPE_CHECKING:
    from torch import Tensor

GAUSS11 = [math.exp(-(x**2) / (2 * 1.5**2)) for x in range(-5, 6)]
GAUSS11 = [weight / sum(GAUSS11) for weight in GAUSS11]
"""Gaussian of sigma 1.5, cut at 5 pixels, of sum 1."""

UNIFORM7 = [1 / 7] * 7

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, finest first (Wang, Simoncelli and Bovik 2003)."""

MS_SSIM_MIN = 161
"""Least side in pixels: halved four times and rounded up each time, it is 11, the window's side."""


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


def ssim_maps(
    a: Tensor, b: Tensor, window: list[float], *, data_range: float = 1.0, sample: bool = False
) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM where the window fits: luminance, and contrast times structure.

    (B, C, H, W) twice to (B, C, H-n+1, W-n+1) twice, n the window's side. The arguments are those of `ssim`.

    Raises:
        TalkbenchError: the images are smaller than the window.
    """
    side = len(window)
    if min(a.shape[-2:]) < side:
        raise TalkbenchError(f"SSIM needs images of at least {side}x{side} pixels; use larger frames")
    mean_a, mean_b = local_mean(a, window), local_mean(b, window)
    bessel = side**2 / (side**2 - 1) if sample else 1.0
    variances = bessel * (local_mean(a.square() + b.square(), window) - mean_a.square() - mean_b.square())
    covariance = bessel * (local_mean(a * b, window) - mean_a * mean_b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def ssim(
    a: Tensor, b: Tensor, window: list[float], *, data_range: float = 1.0, sample: bool = False, pad: bool = False
) -> Tensor:
    """Structural similarity (docs/specs/evaluation.md 3.3), mean over pixels and channels: (B, C, H, W) twice to (B,).

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
    from torch.nn import functional

    if pad:
        a, b = (functional.pad(image, [len(window) // 2] * 4) for image in (a, b))
    luminance, contrast_structure = ssim_maps(a, b, window, data_range=data_range, sample=sample)
    return (luminance * contrast_structure).mean(dim=(1, 2, 3))


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale SSIM (Wang, Simoncelli and Bovik 2003) of images in [0, 1]: (B, C, H, W) twice to (B,).

    Per channel, the product over five scales of the mean contrast-structure term, at the last scale of the mean SSIM,
    each to the power of its weight in `SCALES`; then the mean over channels. The window is `GAUSS11` where it fits.
    From one scale to the next pixels are averaged two by two; the last ones of an odd side have no partner and are
    averaged without. A mean below zero, which has no such power, counts as zero.

    Raises:
        TalkbenchError: a side is shorter than 161 pixels, so that the window does not fit the last scale.
    """
    import torch
    from torch.nn import functional

    if min(a.shape[-2:]) < MS_SSIM_MIN:
        raise TalkbenchError(f"MS-SSIM needs images of at least {MS_SSIM_MIN}x{MS_SSIM_MIN} pixels; use larger frames")
    product = torch.ones_like(a[:, :, 0, 0])  # (B, C)
    for scale, weight in enumerate(SCALES):
        if scale:
            a, b = (functional.avg_pool2d(images, 2, ceil_mode=True) for images in (a, b))
        luminance, contrast_structure = ssim_maps(a, b, GAUSS11)
        term = luminance * contrast_structure if scale == len(SCALES) - 1 else contrast_structure
        product = product * term.mean(dim=(2, 3)).clamp(min=0) ** weight
    return product.mean(dim=1)


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
    min_size = len(GAUSS11)

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, GAUSS11)


@registry.register("ssim@gauss11-zeropad-f32")
class SsimGauss11ZeropadF32(_Ssim):
    """SSIM as the pytorch_ssim module computes it: Gaussian window, zero padding, float32."""

    name = "ssim@gauss11-zeropad-f32"
    dtype = "float32"

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, GAUSS11, pad=True)


@registry.register("ssim@gauss11-luma-valid")
class SsimGauss11LumaValid(_Ssim):
    """SSIM of the luma image under an 11x11 Gaussian window, border cut."""

    name = "ssim@gauss11-luma-valid"
    min_size = len(GAUSS11)

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(luma(a), luma(b), GAUSS11)


@registry.register("ssim@uniform7-dr1")
class SsimUniform7Dr1(_Ssim):
    """SSIM under a 7x7 box window with sample covariance, as scikit-image has it by default."""

    name = "ssim@uniform7-dr1"
    min_size = len(UNIFORM7)

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, UNIFORM7, sample=True)


@registry.register("ssim@uniform7-dr2")
class SsimUniform7Dr2(_Ssim):
    """SSIM under a 7x7 box window with the data range 2 that scikit-image up to 0.19 assumed for floats."""

    name = "ssim@uniform7-dr2"
    min_size = len(UNIFORM7)

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ssim(a, b, UNIFORM7, sample=True, data_range=2.0)


@registry.register("ms-ssim")
class MsSsim(_Ssim):
    """Multi-scale SSIM of the RGB channels, five scales; another quantity than SSIM."""

    name = "ms-ssim"
    range = (0.0, 1.0)
    min_size = MS_SSIM_MIN

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return ms_ssim(a, b)
