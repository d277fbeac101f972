"""How a head moves the canonical keypoints, and the network that estimates the head from an image
(docs/specs/facevid2vid.md 2.3, 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.facevid2vid.blocks3d import numbered
from talkbench.methods.interface import Batch

NUM_BINS = 66  # of 3° from −99° (docs/specs/facevid2vid.md 3.3)


@dataclass(frozen=True)
class Head(Batch):
    """A motion: keypoint k lies at R·x_k + t + δ_k, x the source's canonical keypoints (docs/specs/facevid2vid.md 3.3).

    Keypoints are linear in it, so that relative motion is a `Head` as well, whose R need not be a rotation.

    Attributes:
        degrees: (B, 3) yaw, pitch, roll of the driving head.
        rotation: R (B, 3, 3).
        translation: t (B, 3) as (x, y, z), in units of the normalised coordinates.
        expression: δ (B, K, 3), likewise.
    """

    degrees: Tensor
    rotation: Tensor
    translation: Tensor
    expression: Tensor

    def keypoints(self, canonical: Tensor) -> Tensor:
        """The `canonical` keypoints (B, K, 3) as this head moves them."""
        with torch.autocast(canonical.device.type, enabled=False):
            return canonical @ self.rotation.mT + self.translation[:, None] + self.expression

    def turned(self, yaw: float | None, pitch: float | None, roll: float | None, legacy: bool) -> Head:
        """This head with the angles in degrees that are not None (free view, docs/specs/facevid2vid.md 4, point 6)."""
        own = self.degrees.unbind(1)
        angles = [a if b is None else torch.full_like(a, b) for a, b in zip(own, (yaw, pitch, roll), strict=True)]
        degrees = torch.stack(angles, dim=1)
        return replace(self, degrees=degrees, rotation=rotation_matrix(degrees, legacy))

    def relative(self, driving: Head, reference: Head, scale: Tensor) -> Head:
        """This head plus `scale` (B,) times the change from `reference` to `driving`.

        The keypoints are D·a − D0·a + S of docs/specs/facevid2vid.md 4, point 4 for any canonical keypoints.
        """
        a = scale[:, None, None]
        return Head(
            degrees=driving.degrees,
            rotation=self.rotation + a * (driving.rotation - reference.rotation),
            translation=self.translation + a[:, 0] * (driving.translation - reference.translation),
            expression=self.expression + a * (driving.expression - reference.expression),
        )


def bins_to_degrees(logits: Tensor, first: float = -99) -> Tensor:
    """The expected angle in degrees (B,) of logits (B, NUM_BINS) over bins: 3·Σ i·softmax(logits)_i + `first`."""
    index = torch.arange(NUM_BINS, dtype=logits.dtype, device=logits.device)
    return (logits.softmax(1) * index).sum(1) * 3 + first


def rotation_matrix(degrees: Tensor, legacy: bool) -> Tensor:
    """R (B, 3, 3) of yaw, pitch, roll (B, 3): X(pitch)·Y(yaw)·Z(roll), or, legacy, X(roll)·Y(pitch)·Z(yaw).

    The weights were trained with 3.14 for π (docs/specs/facevid2vid.md 3.3).
    """
    yaw, pitch, roll = (degrees / 180 * 3.14).unbind(1)
    x, y, z = (roll, pitch, yaw) if legacy else (pitch, yaw, roll)
    with torch.autocast(degrees.device.type, enabled=False):
        return axis_rotation(0, x) @ axis_rotation(1, y) @ axis_rotation(2, z)


def axis_rotation(axis: int, angle: Tensor) -> Tensor:
    """Right-handed rotations (B, 3, 3) by angles (B,) in radians about one of the axes x, y, z."""
    matrix = torch.eye(3, dtype=angle.dtype, device=angle.device).repeat(len(angle), 1, 1)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[:, i, i] = matrix[:, j, j] = angle.cos()
    matrix[:, j, i] = angle.sin()
    matrix[:, i, j] = -angle.sin()
    return matrix


class Bottleneck(nn.Module):
    """Residual block of 1×1, 3×3 (of stride `stride`) and 1×1 convolutions; in between, a quarter of the width."""

    def __init__(self, features: int, stride: int = 1) -> None:
        super().__init__()
        inner = features // 4
        self.conv1 = nn.Conv2d(features, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, stride=stride)
        self.conv3 = nn.Conv2d(inner, features, 1)
        self.norm1 = nn.BatchNorm2d(inner)
        self.norm2 = nn.BatchNorm2d(inner)
        self.norm3 = nn.BatchNorm2d(features)
        self.shrinks = stride != 1
        if self.shrinks:
            self.skip = nn.Conv2d(features, features, 1, stride=stride)
            self.norm4 = nn.BatchNorm2d(features)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x)))
        out = F.relu(self.norm2(self.conv2(out)))
        out = self.norm3(self.conv3(out))
        return F.relu(out + (self.norm4(self.skip(x)) if self.shrinks else x))


class RowwiseLinear(nn.Linear):
    """A linear layer (B, in) → (B, out) whose rows do not depend on B. Those of a matrix product do, in the last bits.

    The last bits of the keypoints show in the image: the SPADE decoder multiplies them by about 50.
    """

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] * self.weight).sum(2) + self.bias


class HeadEstimator(nn.Module):
    """Images (B, 3, H, W) in [0, 1] → `Head`: a residual trunk, and a linear layer for each part.

    Args:
        num_kp: K.
        block_expansion: channels after the first convolution; at the end there are 32 times as many.
        legacy_rotation: see `rotation_matrix`.
    """

    def __init__(self, num_kp: int, block_expansion: int, legacy_rotation: bool) -> None:
        super().__init__()
        stem, first, second, third, last = (block_expansion * factor for factor in (1, 4, 8, 16, 32))
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3)
        self.norm1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, first, 1)
        self.norm2 = nn.BatchNorm2d(first)
        self.block1 = numbered("b1_", (Bottleneck(first) for _ in range(3)))
        self.conv3 = nn.Conv2d(first, second, 1)
        self.norm3 = nn.BatchNorm2d(second)
        self.block2 = Bottleneck(second, stride=2)
        self.block3 = numbered("b3_", (Bottleneck(second) for _ in range(3)))
        self.conv4 = nn.Conv2d(second, third, 1)
        self.norm4 = nn.BatchNorm2d(third)
        self.block4 = Bottleneck(third, stride=2)
        self.block5 = numbered("b5_", (Bottleneck(third) for _ in range(5)))
        self.conv5 = nn.Conv2d(third, last, 1)
        self.norm5 = nn.BatchNorm2d(last)
        self.block6 = Bottleneck(last, stride=2)
        self.block7 = numbered("b7_", (Bottleneck(last) for _ in range(2)))
        self.fc_roll = RowwiseLinear(last, NUM_BINS)
        self.fc_pitch = RowwiseLinear(last, NUM_BINS)
        self.fc_yaw = RowwiseLinear(last, NUM_BINS)
        self.fc_t = RowwiseLinear(last, 3)
        self.fc_exp = RowwiseLinear(last, 3 * num_kp)
        self.legacy_rotation = legacy_rotation

    def forward(self, images: Tensor) -> Head:
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(images))), 3, stride=2, padding=1)
        x = self.block1(F.relu(self.norm2(self.conv2(x))))
        x = self.block3(self.block2(F.relu(self.norm3(self.conv3(x)))))
        x = self.block5(self.block4(F.relu(self.norm4(self.conv4(x)))))
        x = self.block7(self.block6(F.relu(self.norm5(self.conv5(x)))))
        with torch.autocast(images.device.type, enabled=False):
            pooled = x.float().mean((2, 3))
            # In the released weights the layer named roll gives the yaw, and the other way round
            # (docs/specs/facevid2vid.md 2.3).
            angles = [bins_to_degrees(layer(pooled)) for layer in (self.fc_roll, self.fc_pitch, self.fc_yaw)]
            degrees = torch.stack(angles, dim=1)
            translation, expression = self.fc_t(pooled), self.fc_exp(pooled).unflatten(1, (-1, 3))
        return Head(degrees, rotation_matrix(degrees, self.legacy_rotation), translation, expression)
