"""MRAA's regions: soft blobs of an image whose mean and principal axes describe its motion
(docs/specs/mraa.md 2.3, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from talkbench.methods.avd import AVDNetwork
from talkbench.methods.blocks import AntiAliasDownsample, Hourglass, HourglassConfig
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import coordinate_grid, inverse, relative_values, soft_argmax

TEMPERATURE = 0.1  # of the heatmaps' softmax (docs/specs/mraa.md 2.1)


@dataclass(frozen=True)
class Regions(Batch):
    """`shift` (B, K, 2): centres (x, y), [−1, 1] being the image; `covar` (B, K, 2, 2): covariances;
    `affine` (B, K, 2, 2): maps the unit circle to a region's principal axes."""

    shift: Tensor
    covar: Tensor
    affine: Tensor


class RegionPredictor(nn.Module):
    """Images (B, 3, H, W) → `Regions`.

    Args:
        padding: of the last convolution. Without any, the heatmap's valid area is stretched to [−1, 1].
    """

    def __init__(self, num_regions: int, padding: int, config: HourglassConfig) -> None:
        super().__init__()
        self.predictor = Hourglass(3, config)
        self.regions = nn.Conv2d(self.predictor.out_features, num_regions, 7, padding=padding)
        self.down = AntiAliasDownsample(3, config.scale_factor)

    def forward(self, images: Tensor) -> Regions:
        return self.detect(self.down(images))

    def detect(self, small: Tensor) -> Regions:
        """`forward` for images that `down` has already shrunk."""
        logits = self.regions(self.predictor(small)).float()
        with torch.autocast(small.device.type, enabled=False):
            heatmap, shift = soft_argmax(logits, TEMPERATURE)
            offset = coordinate_grid(heatmap.shape[2:], heatmap) - shift[:, :, None, None]
            outer = offset[..., :, None] * offset[..., None, :]
            # A matrix product over that many positions would round more than sum does.
            covar = (heatmap[..., None, None] * outer).sum((2, 3))
            return Regions(shift, covar, principal_affine(covar))


def principal_affine(covar: Tensor) -> Tensor:
    """U·√S of the singular value decomposition of covariances (..., 2, 2), signed as LAPACK signs it.

    With the long axis at the angle θ, U = ±[[cos θ, sin θ], [sin θ, −cos θ]], plus only where b > 0 and
    a·c > a² + 2b² (docs/specs/mraa.md 3.2). The AVD network was trained on these signs; unlike a library's
    decomposition the closed form has them on every device, and never leaves it.
    """
    a, b, c = covar[..., 0, 0], covar[..., 0, 1], covar[..., 1, 1]
    angle = torch.atan2(2 * b, a - c) / 2
    largest = (a + c) / 2 + torch.hypot((a - c) / 2, b)
    smallest = (a * c - b * b).abs() / largest  # by the determinant, which rounding may make negative
    sign = torch.where((b > 0) & (a * c > a * a + 2 * b * b), 1.0, -1.0)
    long, short = sign * largest.sqrt(), sign * smallest.sqrt()
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([long * cos, short * sin, long * sin, -short * cos], dim=-1).unflatten(-1, (2, 2))


def affine_change(source: Tensor, driving: Tensor) -> Tensor:
    """The map from driving to source axes, (B, K, 2, 2) each, before its sign is settled: A_S·A_D⁻¹."""
    return source @ inverse(driving)


def axis_sign(change: Tensor) -> Tensor:
    """(B, K, 1, 1): −1 where a map swaps the direction of the axes, by its first entry alone
    (docs/specs/mraa.md 3.3)."""
    return change[..., :1, :1].sign()


def relative_regions(source: Regions, driving: Regions, reference: Regions) -> Regions:
    """The change from `reference` to `driving`, applied to `source`; the covariances stay the driver's.

    Displacements are always scaled by the ratio of the hulls (docs/specs/mraa.md 4.2).
    """
    shift = relative_values(source.shift, driving.shift, reference.shift, adapt_scale=True)
    return Regions(shift, driving.covar, affine_change(driving.affine, reference.affine) @ source.affine)


def disentangled_regions(network: AVDNetwork, source: Regions, driving: Regions) -> Regions:
    """The source's regions in the driver's pose, as the AVD network predicts them (docs/specs/mraa.md 3.6)."""
    sign = axis_sign(affine_change(source.affine, driving.affine))
    out = network(_flat(source.shift, source.affine * sign), _flat(driving.shift, driving.affine))
    shift, affine = out.unflatten(1, (-1, 6)).split([2, 4], dim=-1)
    affine = affine.unflatten(-1, (2, 2))
    return Regions(shift, affine @ affine.mT, affine)


def _flat(shift: Tensor, affine: Tensor) -> Tensor:
    """(B, 6K): centre and affine, row by row, of one region after the other."""
    return torch.cat([shift, affine.flatten(2)], dim=-1).flatten(1)
