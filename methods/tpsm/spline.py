"""Thin-plate splines through a few control points, the local motions of TPSM (docs/specs/tpsm.md 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Added to the whole diagonal of the system, side conditions included, so that the splines smooth, not interpolate.
SMOOTHING = 0.01


@dataclass(frozen=True)
class ThinPlateSplines:
    """K maps of the plane per item, T(z) = θ·(z, 1) + Σᵢ wᵢ·φ(‖z − dᵢ‖²).

    Attributes:
        control: d, (B, K, N, 2).
        weights: w, (B, K, N, 2).
        affine: θ, (B, K, 2, 3).
    """

    control: Tensor
    weights: Tensor
    affine: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        """Where the splines map points (..., 2) to: (B, K, ..., 2)."""
        flat = points.reshape(-1, 2)
        moved = _homogeneous(flat) @ self.affine.mT + _radial(flat, self.control) @ self.weights
        return moved.unflatten(2, points.shape[:-1])


def fit_splines(driving: Tensor, source: Tensor) -> ThinPlateSplines:
    """The splines that take control points `driving` (B, K, N, 2) near `source` (B, K, N, 2).

    The system is solved in float64: clustered points make it nearly singular.
    """
    control, target = driving.double(), source.double()
    count = control.shape[2]
    affine = _homogeneous(control)
    system = torch.cat([torch.cat([_radial(control, control), affine], dim=3), F.pad(affine.mT, (0, 3))], dim=2)
    system = system + SMOOTHING * torch.eye(count + 3, dtype=system.dtype, device=system.device)
    # Unlike `solve`, this does not make the host wait for the device; a system without a solution gives NaN.
    solution = torch.linalg.solve_ex(system, F.pad(target, (0, 0, 0, 3))).result.to(driving.dtype)
    return ThinPlateSplines(driving, solution[:, :, :count], solution[:, :, count:].mT)


def _homogeneous(points: Tensor) -> Tensor:
    return F.pad(points, (0, 1), value=1.0)


def _radial(points: Tensor, control: Tensor) -> Tensor:
    """φ(q) = q·ln(q + 1e-9) of the squared distances q: (..., P, 2), (..., N, 2) → (..., P, N)."""
    squared = (points[..., :, None, :] - control[..., None, :, :]).square().sum(-1)
    return squared * (squared + 1e-9).log()
