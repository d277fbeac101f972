"""LivePortrait's small networks that correct keypoints, and how open eyes and lips are
(docs/specs/liveportrait.md 2.5, 5.4 to 5.6)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.facevid2vid.head import RowwiseLinear
from talkbench.methods.liveportrait.motion import NUM_KP

LANDMARKS = 203
# Of the 203 landmarks: upper and lower edge, then the corners.
LEFT_EYE, RIGHT_EYE, LIPS = (6, 18, 0, 12), (30, 42, 24, 36), (90, 102, 48, 66)
CLOSED = 0.03
"""Lips that are less open are closed."""


class KeypointMLP(nn.Module):
    """Linear layers with ReLU between them: (B, in) → (B, out) without autocast."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers = [(RowwiseLinear(a, b), nn.ReLU()) for a, b in itertools.pairwise(widths)]
        self.mlp = nn.Sequential(*itertools.chain(*layers))[:-1]

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.mlp(x)
        return out


def retargeting_networks() -> dict[str, KeypointMLP]:
    """Fresh networks of stitching, lips and eyes, by their names in the authors' file."""
    keypoints = 3 * NUM_KP
    return {
        "retarget_shoulder": KeypointMLP((2 * keypoints, 128, 128, 64, keypoints + 2)),
        "retarget_mouth": KeypointMLP((keypoints + 2, 128, 128, 64, keypoints)),
        "retarget_eye": KeypointMLP((keypoints + 3, 256, 256, 128, 128, 64, keypoints)),
    }


def stitching_shift(network: nn.Module, source: Tensor, driving: Tensor) -> Tensor:
    """What stitching adds to the `driving` keypoints (B, K, 3), in front of the `source`'s."""
    out: Tensor = network(torch.cat([source.flatten(1), driving.flatten(1)], dim=1))
    return out[:, :-2].unflatten(1, (-1, 3)) + F.pad(out[:, None, -2:], (0, 1))


def retargeting_shift(network: nn.Module, source: Tensor, ratios: Sequence[Tensor]) -> Tensor:
    """What the networks of lips or eyes add to keypoints (B, K, 3) for `ratios` (B,): the source's, then the one that
    is asked for."""
    shift: Tensor = network(torch.cat([source.flatten(1), torch.stack(list(ratios), dim=1)], dim=1))
    return shift.unflatten(1, (-1, 3))


def openness(landmarks: Tensor) -> Tensor:
    """Height by width of the left eye, the right eye and the lips, (B, 3), of landmarks (B, 203, 2) at any scale."""

    def ratio(upper: int, lower: int, left: int, right: int) -> Tensor:
        height, width = landmarks[:, upper] - landmarks[:, lower], landmarks[:, left] - landmarks[:, right]
        return height.norm(dim=1) / (width.norm(dim=1) + 1e-6)

    return torch.stack([ratio(*points) for points in (LEFT_EYE, RIGHT_EYE, LIPS)], dim=1)
