"""The random deformation behind the equivariance losses (specs fomm, "Block: equivariance transform")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from talkbench.methods.keypoints import coordinate_grid

POINTS = 5
SIGMA_AFFINE, SIGMA_TPS = 0.05, 0.005


class EquivarianceTransform:
    """An affine map plus thin-plate-like bumps, one per sample.

    Args:
        theta: affine part (B, 2, 3).
        control_params: weights of the 5×5 control points (B, 25), used for both coordinates.
    """

    def __init__(self, theta: Tensor, control_params: Tensor) -> None:
        self.theta = theta
        self.control_params = control_params
        self._points = coordinate_grid((POINTS, POINTS), theta).view(-1, 2)

    @classmethod
    def random(cls, batch: int, generator: torch.Generator, device: torch.device) -> EquivarianceTransform:
        """θ = [I | 0] + N(0, 0.05²), control weights N(0, 0.005²)."""
        noise = torch.randn(batch, 2, 3, generator=generator) * SIGMA_AFFINE
        control = torch.randn(batch, POINTS**2, generator=generator) * SIGMA_TPS
        return cls((torch.eye(2, 3) + noise).to(device), control.to(device))

    def warp_points(self, points: Tensor) -> Tensor:
        """W(z) for points (B, N, 2); distances to the control points are L1."""
        offset = points[:, :, None] - self._points  # (B, N, 25, 2)
        distance = offset.abs().sum(-1)
        bumps = (self.control_params[:, None] * distance.square() * (distance + 1e-6).log()).sum(-1, keepdim=True)
        return points @ self.theta[:, :, :2].transpose(1, 2) + self.theta[:, None, :, 2] + bumps

    def jacobian(self, points: Tensor) -> Tensor:
        """∇W at points (B, N, 2) → (B, N, 2, 2), in closed form."""
        offset = points[:, :, None] - self._points
        distance = offset.abs().sum(-1)
        slope = 2 * distance * (distance + 1e-6).log() + distance.square() / (distance + 1e-6)
        row = ((self.control_params[:, None] * slope)[..., None] * offset.sign()).sum(2)  # (B, N, 2)
        return self.theta[:, None, :, :2] + row[:, :, None, :]

    def warp_images(self, images: Tensor) -> Tensor:
        """frame'(z) = frame(W(z)), reflected at the border, corners not aligned (R8)."""
        height, width = images.shape[2:]
        grid = coordinate_grid((height, width), images).view(1, -1, 2).expand(len(images), -1, -1)
        warped = self.warp_points(grid).view(len(images), height, width, 2)
        return F.grid_sample(images, warped, padding_mode="reflection", align_corners=False)
