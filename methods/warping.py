"""Warping maps by a dense backward flow (docs/specs/fomm.md 1.2, resampling calls R2 to R5).

The methods' grids put ±1 on the centres of the outermost pixels; whether sampling and enlarging do so too
(``align_corners``) depends on how the weights were trained.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def warp(features: Tensor, deformation: Tensor, align_corners: bool, resize_corners: bool) -> Tensor:
    """Sample (B, C, H, W) at a flow (B, h, w, 2) that is first resized to (H, W); zero outside.

    Args:
        align_corners: ``align_corners`` of the sampling.
        resize_corners: ``align_corners`` of the flow's resizing.
    """
    flow = resize_to(deformation.permute(0, 3, 1, 2), features, resize_corners).permute(0, 2, 3, 1)
    # In the flow's precision: half of it would shift the samples by parts of a pixel.
    warped = F.grid_sample(features.to(flow.dtype), flow, align_corners=align_corners).to(features.dtype)
    if not features.is_contiguous() and features.is_contiguous(memory_format=torch.channels_last):
        return warped.contiguous(memory_format=torch.channels_last)  # sums of maps in two layouts are slow
    return warped


def resize_to(x: Tensor, like: Tensor, align_corners: bool) -> Tensor:
    """Bilinear to the size of `like`; unchanged if it has that size."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=align_corners)
