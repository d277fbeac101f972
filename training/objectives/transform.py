"""The random deformation behind the equivariance losses (docs/specs/fomm.md "Block: equivariance transform")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from talkbench.methods.keypoints import coordinate_grid
from talkbench.training.state.draw import Draw

POINTS = 5
SIGMA_AFFINE, SIGMA_TPS = 0.05, 0.005

Radial = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From offsets to control points (…, 2) to the heights (…) of the bumps there and their gradients (…, 2)."""


def city_block(offset: Tensor) -> tuple[Tensor, Tensor]:
    """r² ln(r + 1e-6) of the city-block distance r, used by all methods but TPSM."""
    distance = offset.abs().sum(-1)
    logarithm = (distance + 1e-6).log()
    slope = 2 * distance * logarithm + distance.square() / (distance + 1e-6)
    return distance.square() * logarithm, slope[..., None] * offset.sign()


def thin_plate(offset: Tensor) -> tuple[Tensor, Tensor]:
    """q ln(q + 1e-9) of the squared Euclidean distance q (docs/specs/tpsm.md 5.4)."""
    square = offset.square().sum(-1)
    logarithm = (square + 1e-9).log()
    slope = 2 * (logarithm + square / (square + 1e-9))
    return square * logarithm, slope[..., None] * offset


class EquivarianceTransform:
    """An affine map plus thin-plate-like bumps, one per sample.

    Args:
        theta: affine part (B, 2, 3).
        control_params: weights of the 5×5 control points (B, 25), used for both coordinates.
        align_corners: for warping images; the method's own setting.
        radial: form of the bumps.
    """

    def __init__(
        self, theta: Tensor, control_params: Tensor, align_corners: bool = False, radial: Radial = city_block
    ) -> None:
        self.theta, self.control_params = theta, control_params
        self.align_corners, self._radial = align_corners, radial
        self._points = coordinate_grid((POINTS, POINTS), theta).view(-1, 2)

    @classmethod
    def random(cls, draw: Draw, align_corners: bool = False, radial: Radial = city_block) -> Self:
        """θ = [I | 0] + N(0, 0.05²), control weights N(0, 0.005²)."""
        theta = torch.eye(2, 3, device=draw.device) + draw.normal(2, 3) * SIGMA_AFFINE
        return cls(theta, draw.normal(POINTS**2) * SIGMA_TPS, align_corners, radial)

    def warp_points(self, points: Tensor) -> Tensor:
        """W(z) for points (B, N, 2)."""
        height, _ = self._radial(points[:, :, None] - self._points)  # (B, N, 25)
        bumps = (self.control_params[:, None] * height).sum(-1, keepdim=True)
        with torch.autocast(points.device.type, enabled=False):  # half precision would move them by half a pixel
            return points @ self.theta[:, :, :2].transpose(1, 2) + self.theta[:, None, :, 2] + bumps

    def jacobian(self, points: Tensor) -> Tensor:
        """∇W at points (B, N, 2) → (B, N, 2, 2), in closed form."""
        _, gradient = self._radial(points[:, :, None] - self._points)  # (B, N, 25, 2)
        row = (self.control_params[:, None, :, None] * gradient).sum(2)
        return self.theta[:, None, :, :2] + row[:, :, None, :]

    def warp_images(self, images: Tensor) -> Tensor:
        """frame'(z) = frame(W(z)), reflected at the border (docs/specs/fomm.md 1.2, R9)."""
        height, width = images.shape[2:]
        grid = coordinate_grid((height, width), images).view(1, -1, 2).expand(len(images), -1, -1)
        warped = self.warp_points(grid).view(len(images), height, width, 2)
        return F.grid_sample(images, warped, padding_mode="reflection", align_corners=self.align_corners)
