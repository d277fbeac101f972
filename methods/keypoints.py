"""Keypoints of the first-order family: detector, heatmaps and relative motion (docs/specs/fomm.md 2, 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
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


def coordinate_grid(sizes: Sequence[int], like: Tensor) -> Tensor:
    """(H, W, 2) for two `sizes`, last axis (x, y), or (D, H, W, 3) for three, last axis (x, y, z).

    −1 and 1 are the centres of the outermost pixels (docs/specs/fomm.md "Block: coordinate grid").
    """
    axes = [torch.linspace(-1, 1, size, dtype=like.dtype, device=like.device) for size in sizes]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)


def gaussian_heatmap(mean: Tensor, sizes: Sequence[int], covariance: Tensor | float = 0.01) -> Tensor:
    """exp(−½ (z − mean)ᵀ Σ⁻¹ (z − mean)): (B, K, d) → (B, K, *sizes), peak 1
    (docs/specs/fomm.md "Block: gaussian heatmap").

    `covariance` Σ is one variance for all, or (B, K, d, d).
    """
    offset = coordinate_grid(sizes, mean) - mean.view(*mean.shape[:2], *[1] * len(sizes), -1)
    if isinstance(covariance, float):
        distance = offset.square().sum(-1) / covariance
    else:
        distance = torch.einsum("bk...i,bkij,bk...j->bk...", offset, inverse(covariance), offset)
    return torch.exp(-0.5 * distance)


def soft_argmax(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Heatmaps (B, K, *sizes), the softmax of `logits`/temperature over all positions, and their mean
    coordinates (B, K, d), the map stretched to [−1, 1] (docs/specs/fomm.md "Block: keypoint detector")."""
    sizes = logits.shape[2:]
    heatmap = (logits.flatten(2) / temperature).softmax(-1)
    value = heatmap @ coordinate_grid(sizes, heatmap).view(-1, len(sizes))
    return heatmap.unflatten(2, sizes), value


def inverse(matrices: Tensor) -> Tensor:
    """The inverses of matrices (…, n, n). On a CUDA device those of singular ones are NaN, so that the host does not
    wait to learn of them; elsewhere they are an error, as of `torch.inverse`."""
    if not matrices.is_cuda:
        return torch.inverse(matrices)
    return _sound_inverse(matrices)


def _sound_inverse(matrices: Tensor) -> Tensor:
    result, info = torch.linalg.inv_ex(matrices)
    return torch.where(info[..., None, None] == 0, result, torch.nan)


class KeypointDetector(nn.Module):
    """Images (B, channels, H, W) → `Keypoints` by spatial soft-argmax (docs/specs/fomm.md "Block: keypoint detector").

    The heads have no padding, and the valid area is stretched to [−1, 1].
    """

    def __init__(self, num_kp: int, config: HourglassConfig, temperature: float = 0.1, channels: int = 3) -> None:
        super().__init__()
        self.predictor = Hourglass(channels, config)
        self.kp = nn.Conv2d(self.predictor.out_features, num_kp, 7)
        self.jacobian = nn.Conv2d(self.predictor.out_features, 4 * num_kp, 7)
        nn.init.zeros_(self.jacobian.weight)
        assert self.jacobian.bias is not None
        with torch.no_grad():
            self.jacobian.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]).repeat(num_kp))
        self.down = AntiAliasDownsample(channels, config.scale_factor)
        self.temperature = temperature

    def forward(self, images: Tensor) -> Keypoints:
        return self.detect(self.down(images))

    def detect(self, small: Tensor) -> Keypoints:
        """`forward` for images that `down` has already shrunk."""
        feature = self.predictor(small)
        logits, jacobian_map = self.kp(feature).float(), self.jacobian(feature).float().unflatten(1, (-1, 4))
        # Half precision breaks the sharp softmax and the later 2×2 inverses (docs/specs/fomm.md 7).
        with torch.autocast(small.device.type, enabled=False):
            heatmap, value = soft_argmax(logits, self.temperature)
            jacobian = torch.einsum("bkhw,bkchw->bkc", heatmap, jacobian_map)
            return Keypoints(value, jacobian.unflatten(2, (2, 2)))


def relative_motion(source: Keypoints, driving: Keypoints, reference: Keypoints, adapt_scale: bool) -> Keypoints:
    """The change from `reference` to `driving`, applied to `source` (docs/specs/fomm.md 4.2, relative jacobian on)."""
    value = relative_values(source.value, driving.value, reference.value, adapt_scale)
    with torch.autocast(value.device.type, enabled=False):
        change = driving.jacobian @ inverse(reference.jacobian)
        return Keypoints(value, change @ source.jacobian)


def relative_values(source: Tensor, driving: Tensor, reference: Tensor, adapt_scale: bool) -> Tensor:
    """Positions (B, K, d): `source` moved by the displacement from `reference` to `driving`.

    With `adapt_scale` displacements are scaled by `hull_scale` (docs/specs/fomm.md 4.2).
    """
    shift = driving - reference
    if adapt_scale:
        shift = shift * hull_scale(source, reference)[:, None, None]
    return source + shift


def hull_scale(source: Tensor, reference: Tensor) -> Tensor:
    """√(hull of source / hull of reference) by item, (B,); areas of 2-D points, volumes of 3-D ones.

    2-D points on a CUDA device stay there, and those that have no hull give NaN, so that the host need not wait.

    Raises:
        PairError: elsewhere, the points have no hull.
    """
    if source.is_cuda and source.shape[-1] == 2:
        return (hull_area(source) / hull_area(reference)).sqrt().to(source)
    numbers = torch.cat([source.flatten(), reference.flatten()]).detach().cpu()  # one wait for both
    parts = numbers.split([source.numel(), reference.numel()])
    sizes = source.shape, reference.shape
    volumes = [
        torch.tensor([_hull_volume(points) for points in part.view(size).numpy()], dtype=torch.float64)
        for part, size in zip(parts, sizes, strict=True)
    ]
    return (volumes[0] / volumes[1]).sqrt().to(source)


def hull_area(points: Tensor) -> Tensor:
    """Area of the convex hull of points (B, K, 2), float64 (B,), computed on their device; NaN where they have none.

    The shoelace formula over the hull's edges: the ordered pairs of points that have all others to one side. Of points
    on one line the outermost two make the edge; of equal points the first counts.
    """
    points = points.double()
    to = points[:, None] - points[:, :, None]  # (B, i, j, 2), from point i to point j
    side = _cross(to[:, :, :, None], to[:, :, None])  # (B, i, j, k)
    between = (to[:, :, None] * to[:, None]).sum(-1) <= 0  # k lies between i and j, if it is on their line
    own = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    inside = (side > 0) | ((side == 0) & between) | own[:, None] | own
    first = ~(to == 0).all(-1).tril(-1).any(-1)  # (B, i)
    edge = inside.all(-1) & first[:, :, None] & first[:, None] & ~own
    centred = points - points.mean(1, keepdim=True)
    area = torch.where(edge, _cross(centred[:, :, None], centred[:, None]), 0).sum((1, 2)) / 2
    return torch.where(area > 0, area, torch.nan)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _hull_volume(points: np.ndarray) -> float:
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(points).volume)  # in two dimensions SciPy's volume is the area
    except (QhullError, ValueError) as error:
        raise PairError("degenerate-keypoints", "the keypoints have no convex hull to scale by") from error
