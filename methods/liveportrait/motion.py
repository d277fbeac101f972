"""LivePortrait's motion: the head that a ConvNeXt V2 reads from an image, and how its keypoints lie
(docs/specs/liveportrait.md 2.2, 3.1 to 3.3)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.facevid2vid.head import NUM_BINS, RowwiseLinear, axis_rotation, bins_to_degrees
from talkbench.methods.interface import Batch

NUM_KP = 21
FIRST_BIN = -97.5  # degrees; face-vid2vid's is −99
EPSILON = 1e-6  # of all norms; torch's default is 1e-5


@dataclass(frozen=True)
class Head(Batch):
    """A motion: keypoint k lies at s·(x_k·R + δ_k) + (t_x, t_y, 0) + shift_k, x the source's canonical keypoints.

    Attributes:
        rotation: R (B, 3, 3), for row vectors.
        translation: t (B, 3) as (x, y, z), in units of the normalised coordinates; z is not used.
        expression: δ (B, K, 3).
        scale: s (B, 1).
        shift: (B, K, 3), what stitching and retargeting add; of the head of an image 0.
        openness: (B, 3) of the left eye, the right eye and the lips; None unless eyes or lips are retargeted.
    """

    rotation: Tensor
    translation: Tensor
    expression: Tensor
    scale: Tensor
    shift: Tensor
    openness: Tensor | None = None

    def keypoints(self, canonical: Tensor) -> Tensor:
        """The `canonical` keypoints (B, K, 3) as this head moves them."""
        with torch.autocast(canonical.device.type, enabled=False):
            turned = self.scale[:, :, None] * (canonical @ self.rotation + self.expression)
        return turned + F.pad(self.translation[:, None, :2], (0, 1)) + self.shift

    def shifted(self, by: Tensor) -> Head:
        """This head with its keypoints moved by (B, K, 3)."""
        return replace(self, shift=self.shift + by)


def rotation_matrix(degrees: Tensor) -> Tensor:
    """R (B, 3, 3) for row vectors of pitch, yaw, roll (B, 3): the transpose of Z(roll)·Y(yaw)·X(pitch)."""
    pitch, yaw, roll = (degrees / 180 * math.pi).unbind(1)
    with torch.autocast(degrees.device.type, enabled=False):
        return (axis_rotation(2, roll) @ axis_rotation(1, yaw) @ axis_rotation(0, pitch)).mT


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResponseNorm(nn.Module):
    """Global response normalisation of (B, H, W, C): channels compete by their L2 norms over the image."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, features))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        response = norm / (norm.mean(-1, keepdim=True) + EPSILON)
        return self.gamma * (x * response) + self.beta + x


class ConvNeXtBlock(nn.Module):
    """Residual block of ConvNeXt V2: 7×7 depthwise convolution, then two linear layers on each pixel."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(features, features, 7, padding=3, groups=features)
        self.norm = nn.LayerNorm(features, EPSILON)
        self.pwconv1 = nn.Linear(features, 4 * features)
        self.grn = ResponseNorm(4 * features)
        self.pwconv2 = nn.Linear(4 * features, features)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.pwconv1(self.norm(self.dwconv(x).permute(0, 2, 3, 1)))
        return x + self.pwconv2(self.grn(F.gelu(inner))).permute(0, 3, 1, 2)


class ConvNeXtDetector(nn.Module):
    """ConvNeXt V2 with a linear layer for each part of the motion; images (B, 3, H, W) → a value per layer, by the name
    of the part."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0], EPSILON))
        steps = (
            nn.Sequential(ChannelNorm(a, EPSILON), nn.Conv2d(a, b, 2, stride=2)) for a, b in itertools.pairwise(widths)
        )
        self.downsample_layers = nn.ModuleList([stem, *steps])
        blocks = ((ConvNeXtBlock(width) for _ in range(depth)) for width, depth in zip(widths, depths, strict=True))
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in blocks)
        self.norm = nn.LayerNorm(widths[-1], EPSILON)
        self.fc_kp = RowwiseLinear(widths[-1], 3 * NUM_KP)
        self.fc_scale = RowwiseLinear(widths[-1], 1)
        self.fc_pitch = RowwiseLinear(widths[-1], NUM_BINS)
        self.fc_yaw = RowwiseLinear(widths[-1], NUM_BINS)
        self.fc_roll = RowwiseLinear(widths[-1], NUM_BINS)
        self.fc_t = RowwiseLinear(widths[-1], 3)
        self.fc_exp = RowwiseLinear(widths[-1], 3 * NUM_KP)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = images
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(down(x))
        with torch.autocast(images.device.type, enabled=False):
            pooled = self.norm(x.float().mean((2, 3)))
            parts = ("kp", "scale", "pitch", "yaw", "roll", "t", "exp")
            return {part: self.get_submodule(f"fc_{part}")(pooled) for part in parts}


class MotionExtractor(nn.Module):
    """Images (B, 3, H, W) in [0, 1] → canonical keypoints (B, K, 3) and the `Head` that moves them."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.detector = ConvNeXtDetector(widths, depths)

    def forward(self, images: Tensor) -> tuple[Tensor, Head]:
        parts = self.detector(images)
        degrees = torch.stack([bins_to_degrees(parts[name], FIRST_BIN) for name in ("pitch", "yaw", "roll")], dim=1)
        canonical, expression = parts["kp"].unflatten(1, (-1, 3)), parts["exp"].unflatten(1, (-1, 3))
        shift = torch.zeros_like(expression)
        return canonical, Head(rotation_matrix(degrees), parts["t"], expression, parts["scale"], shift)
