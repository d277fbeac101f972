"""Keypoints of the first-order family: detector, heatmaps and relative motion (specs fomm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from talkbench.core.errors import PairError
from talkbench.methods.blocks import AntiAliasDownsample, Hourglass, HourglassConfig
from talkbench.methods.interface import Batch


@dataclass(frozen=True)
class Keypoints(Batch):
    """`value` (B, K, 2), (x, y) in [−1, 1]; `jacobian` (B, K, 2, 2), the local affine map."""

    value: Tensor
    jacobian: Tensor


def coordinate_grid(height: int, width: int, like: Tensor) -> Tensor:
    """(H, W, 2), last axis (x, y); −1 and 1 are the centres of the outermost pixels."""
    x = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device)
    y = torch.linspace(-1, 1, height, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def gaussian_heatmap(mean: Tensor, height: int, width: int, variance: float = 0.01) -> Tensor:
    """exp(−½‖z − mean‖²/variance): (B, K, 2) → (B, K, H, W), peak 1 (specs fomm, "Block: gaussian heatmap")."""
    offset = coordinate_grid(height, width, mean) - mean[:, :, None, None]
    return torch.exp(-0.5 * offset.square().sum(-1) / variance)


class KeypointDetector(nn.Module):
    """Images (B, 3, H, W) → `Keypoints` by spatial soft-argmax (specs fomm, "Block: keypoint detector").

    The heads have no padding, and the valid area is stretched to [−1, 1].
    """

    def __init__(self, num_kp: int, config: HourglassConfig, temperature: float = 0.1) -> None:
        super().__init__()
        self.predictor = Hourglass(3, config)
        self.kp = nn.Conv2d(self.predictor.out_features, num_kp, 7)
        self.jacobian = nn.Conv2d(self.predictor.out_features, 4 * num_kp, 7)
        nn.init.zeros_(self.jacobian.weight)
        assert self.jacobian.bias is not None
        with torch.no_grad():
            self.jacobian.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]).repeat(num_kp))
        self.down = AntiAliasDownsample(3, config.scale_factor)
        self.temperature = temperature

    def forward(self, images: Tensor) -> Keypoints:
        return self.detect(self.down(images))

    def detect(self, small: Tensor) -> Keypoints:
        """`forward` for images that `down` has already shrunk."""
        feature = self.predictor(small)
        # Half precision breaks the sharp softmax and the later 2×2 inverses (specs fomm, 7).
        logits = self.kp(feature).float()
        batch, count, height, width = logits.shape
        heatmap = (logits.flatten(2) / self.temperature).softmax(-1)  # (B, K, H·W)
        value = heatmap @ coordinate_grid(height, width, heatmap).view(-1, 2)
        jacobian_map = self.jacobian(feature).float().view(batch, count, 4, height * width)
        jacobian = torch.einsum("bkn,bkcn->bkc", heatmap, jacobian_map).view(batch, count, 2, 2)
        return Keypoints(value, jacobian)


def relative_motion(source: Keypoints, driving: Keypoints, reference: Keypoints, adapt_scale: bool) -> Keypoints:
    """The change from `reference` to `driving`, applied to `source` (specs fomm 4.2, relative jacobian on).

    With `adapt_scale` displacements are scaled by √(hull area of source / hull area of reference).
    """
    shift = driving.value - reference.value
    if adapt_scale:
        shift = shift * _hull_scale(source.value, reference.value)[:, None, None]
    change = driving.jacobian @ torch.inverse(reference.jacobian)
    return Keypoints(source.value + shift, change @ source.jacobian)


def _hull_scale(source: Tensor, reference: Tensor) -> Tensor:
    areas = [[_hull_area(points) for points in batch.detach().cpu().numpy()] for batch in (source, reference)]
    ratio = torch.tensor(areas[0], dtype=torch.float64) / torch.tensor(areas[1], dtype=torch.float64)
    return ratio.sqrt().to(source)


def _hull_area(points: np.ndarray) -> float:
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(points).volume)  # in two dimensions SciPy's volume is the area
    except (QhullError, ValueError) as error:
        raise PairError("degenerate-keypoints", "the keypoints have no convex hull to scale by") from error
