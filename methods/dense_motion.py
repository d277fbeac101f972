"""From sparse keypoint motions to a dense backward flow and an occlusion map (specs fomm, "Block: dense motion")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import AntiAliasDownsample, Hourglass, HourglassConfig
from talkbench.methods.keypoints import Keypoints, coordinate_grid, gaussian_heatmap


@dataclass(frozen=True)
class DenseMotion:
    """`deformation` (B, h, w, 2): for each driving pixel the source coordinate (x, y) in [−1, 1];
    `occlusion_map` (B, 1, h, w): 1 keeps the warped source, 0 leaves it to the decoder."""

    deformation: Tensor
    occlusion_map: Tensor


class DenseMotionNetwork(nn.Module):
    """Combines K + 1 local motions into one flow.

    Args:
        align_corners: of the sparse warps (R1 in the specs); False for MCNet.
    """

    def __init__(self, num_kp: int, config: HourglassConfig, align_corners: bool = False) -> None:
        super().__init__()
        self.hourglass = Hourglass((num_kp + 1) * 4, config)
        self.mask = nn.Conv2d(self.hourglass.out_features, num_kp + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_features, 1, 7, padding=3)
        self.down = AntiAliasDownsample(3, config.scale_factor)
        self.align_corners = align_corners

    def forward(self, source_small: Tensor, kp_source: Keypoints, kp_driving: Keypoints) -> DenseMotion:
        """`source_small` (B, 3, h, w): the source image after `down`."""
        batch, _, height, width = source_small.shape
        motions = sparse_motions(height, width, kp_source, kp_driving)  # (B, K+1, h, w, 2)
        count = motions.shape[1]
        copies = source_small[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)
        warped = F.grid_sample(copies, motions.flatten(0, 1), align_corners=self.align_corners)
        heatmap = gaussian_heatmap(kp_driving.value, height, width) - gaussian_heatmap(kp_source.value, height, width)
        heatmap = F.pad(heatmap, (0, 0, 0, 0, 1, 0))  # the background has no heatmap
        stacked = torch.cat([heatmap[:, :, None], warped.view(batch, count, 3, height, width)], dim=2)
        feature = self.hourglass(stacked.flatten(1, 2))
        mask = self.mask(feature).float().softmax(1)
        deformation = torch.einsum("bkhw,bkhwc->bhwc", mask, motions)
        return DenseMotion(deformation, self.occlusion(feature).float().sigmoid())


def sparse_motions(height: int, width: int, kp_source: Keypoints, kp_driving: Keypoints) -> Tensor:
    """Backward maps (B, K+1, h, w, 2): identity for the background, then per keypoint
    T(z) = p_S + J_S·J_D⁻¹·(z − p_D)."""
    grid = coordinate_grid(height, width, kp_source.value)
    jacobian = kp_source.jacobian @ torch.inverse(kp_driving.jacobian)
    offset = grid - kp_driving.value[:, :, None, None]
    moved = torch.einsum("bkij,bkhwj->bkhwi", jacobian, offset) + kp_source.value[:, :, None, None]
    background = grid.expand(len(moved), 1, -1, -1, -1)
    return torch.cat([background, moved], dim=1)
