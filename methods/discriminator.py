"""The patch discriminator that FOMM, DaGAN and face-vid2vid train against
(docs/specs/fomm.md "Block: discriminator")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm

from talkbench.methods.keypoints import gaussian_heatmap

WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Judgement:
    """`features`: the outputs of the blocks; `prediction` (B, 1, h, w): high where the image looks real."""

    features: tuple[Tensor, ...]
    prediction: Tensor


class _Block(nn.Module):
    def __init__(self, in_features: int, out_features: int, norm: bool, pool: bool, spectral: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(in_features, out_features, 4)
        self.conv = spectral_norm(conv) if spectral else conv
        self.norm = nn.InstanceNorm2d(out_features, affine=True) if norm else nn.Identity()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        out = F.leaky_relu(self.norm(self.conv(x)), 0.2)
        return F.avg_pool2d(out, 2) if self.pool else out


class _Scale(nn.Module):
    def __init__(self, channels: int, spectral: bool) -> None:
        super().__init__()
        inputs = (channels, *WIDTHS[:-1])
        last = len(WIDTHS) - 1
        self.down_blocks = nn.ModuleList(
            _Block(before, after, norm=index > 0, pool=index < last, spectral=spectral)
            for index, (before, after) in enumerate(zip(inputs, WIDTHS, strict=True))
        )
        head = nn.Conv2d(WIDTHS[-1], 1, 1)
        self.conv = spectral_norm(head) if spectral else head

    def forward(self, x: Tensor) -> Judgement:
        features = []
        for block in self.down_blocks:
            x = block(x)
            features.append(x)
        return Judgement(tuple(features), self.conv(x))


class Discriminator(nn.Module):
    """Images (B, 3, H, W), and keypoints if it is conditioned on them, → `Judgement`.

    Args:
        num_kp: number of driving keypoints whose heatmaps follow the RGB channels; 0: it is unconditioned.
        spectral: whether its convolutions are spectrally normalised.
    """

    def __init__(self, num_kp: int = 0, spectral: bool = False) -> None:
        super().__init__()
        self.num_kp = num_kp
        self.discs = nn.ModuleDict({"1": _Scale(3 + num_kp, spectral)})  # "1": the scale, a key of the checkpoints

    def forward(self, images: Tensor, keypoints: Tensor | None = None) -> Judgement:
        """`keypoints` (B, K, 2) are required if `num_kp` is not 0, and make no difference if it is."""
        if self.num_kp and keypoints is not None:
            images = torch.cat([images, gaussian_heatmap(keypoints, images.shape[2:])], dim=1)
        judgement: Judgement = self.discs["1"](images)
        return judgement
