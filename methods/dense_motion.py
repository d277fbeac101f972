"""From sparse motions to a dense backward flow and an occlusion map (docs/specs/fomm.md "Block: dense motion")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import AntiAliasDownsample, Hourglass, HourglassConfig
from talkbench.methods.keypoints import Keypoints, coordinate_grid, gaussian_heatmap, inverse


@dataclass(frozen=True)
class DenseMotion:
    """`deformation` (B, h, w, 2): for each driving pixel the source coordinate (x, y) in [−1, 1];
    `occlusion_map` (B, 1, h, w): 1 keeps the warped source, 0 leaves it to the decoder."""

    deformation: Tensor
    occlusion_map: Tensor


class DenseMotionNetwork(nn.Module):
    """Combines K local motions and the background's into one flow.

    Args:
        align_corners: of the sparse warps (docs/specs/fomm.md 1.2, R1).
    """

    def __init__(self, num_kp: int, config: HourglassConfig, align_corners: bool = False) -> None:
        super().__init__()
        self.hourglass = Hourglass((num_kp + 1) * 4, config)
        self.mask = nn.Conv2d(self.hourglass.out_features, num_kp + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_features, 1, 7, padding=3)
        self.down = AntiAliasDownsample(3, config.scale_factor)
        self.align_corners = align_corners

    def forward(self, source_small: Tensor, kp_source: Keypoints, kp_driving: Keypoints) -> DenseMotion:
        """From keypoints with jacobians, over a still background; `source_small` (B, 3, h, w): the source
        image after `down`."""
        sizes = source_small.shape[2:]
        with torch.autocast(source_small.device.type, enabled=False):
            heatmap = gaussian_heatmap(kp_driving.value, sizes) - gaussian_heatmap(kp_source.value, sizes)
            jacobian = kp_source.jacobian @ inverse(kp_driving.jacobian)
            moved = affine_motions(kp_source.value, kp_driving.value, jacobian, sizes)
        background = coordinate_grid(sizes, moved).expand(len(moved), 1, -1, -1, -1)
        return self.combine(source_small, heatmap, torch.cat([background, moved], dim=1))

    def combine(self, source_small: Tensor, heatmap: Tensor, motions: Tensor) -> DenseMotion:
        """Weigh `motions` (B, K+1, h, w, 2), the background's first, by the source as each of them warps it and by
        the `heatmap` difference (B, K, h, w) of the keypoints."""
        warped = sparse_warps(source_small, motions, self.align_corners)
        heatmap = F.pad(heatmap, (0, 0, 0, 0, 1, 0))  # the background has no heatmap
        feature = self.hourglass(torch.cat([heatmap[:, :, None], warped], dim=2).flatten(1, 2))
        mask = self.mask(feature).float().softmax(1)
        with torch.autocast(mask.device.type, enabled=False):  # half precision would shift it by parts of a pixel
            deformation = torch.einsum("bkhw,bkhwc->bhwc", mask, motions)
        return DenseMotion(deformation, self.occlusion(feature).float().sigmoid())


def affine_motions(source: Tensor, driving: Tensor, jacobian: Tensor, sizes: torch.Size) -> Tensor:
    """Backward maps (B, K, h, w, 2) of local affine motions: T(z) = p_S + J·(z − p_D)."""
    offset = coordinate_grid(sizes, source) - driving[:, :, None, None]
    return torch.einsum("bkij,bkhwj->bkhwi", jacobian, offset) + source[:, :, None, None]


def sparse_warps(source_small: Tensor, motions: Tensor, align_corners: bool) -> Tensor:
    """The source (B, C, h, w) warped by each of the motions (B, N, h, w, 2): (B, N, C, h, w)
    (docs/specs/fomm.md 1.2, R1).

    Volumes (B, C, d, h, w) are warped alike, by motions (B, N, d, h, w, 3).
    """
    count = motions.shape[1]
    copies = source_small[:, None].expand(-1, count, *source_small.shape[1:]).flatten(0, 1)
    warped = F.grid_sample(copies, motions.flatten(0, 1), align_corners=align_corners)
    return warped.unflatten(0, (-1, count))
