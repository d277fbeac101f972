"""Spatially adaptive normalisation: the decoder blocks that DaGAN's and face-vid2vid's SPADE generators share.

docs/specs/dagan.md 2.5, docs/specs/facevid2vid.md 2.5. Attribute names are the keys of the authors' checkpoints; the
spectral norm is torch's classic one, whose ``weight_orig``, ``weight_u`` and ``weight_v`` the checkpoints hold: outside
of training it uses the stored vectors as they are.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm


class SPADE(nn.Module):
    """IN(x)·(1 + γ) + β with γ, β (B, C, H, W) convolved from the labels, resized to x by nearest neighbours."""

    def __init__(self, features: int, label_channels: int, hidden: int = 128) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(label_channels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, features, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, features, 3, padding=1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        activation = self.mlp_shared(F.interpolate(labels, size=x.shape[2:], mode="nearest"))
        return F.instance_norm(x) * (1 + self.mlp_gamma(activation)) + self.mlp_beta(activation)


class SPADEResBlock(nn.Module):
    """Two normalised, spectrally normalised convolutions beside a shortcut: (B, in, H, W) → (B, out, H, W)."""

    def __init__(self, in_features: int, out_features: int, label_channels: int) -> None:
        super().__init__()
        middle = min(in_features, out_features)
        self.conv_0 = spectral_norm(nn.Conv2d(in_features, middle, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(middle, out_features, 3, padding=1))
        self.learned_shortcut = in_features != out_features
        if self.learned_shortcut:
            self.conv_s = spectral_norm(nn.Conv2d(in_features, out_features, 1, bias=False))
        self.norm_0 = SPADE(in_features, label_channels)
        self.norm_1 = SPADE(middle, label_channels)
        if self.learned_shortcut:
            self.norm_s = SPADE(in_features, label_channels)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        inner = self.conv_0(F.leaky_relu(self.norm_0(x, labels), 0.2))
        inner = self.conv_1(F.leaky_relu(self.norm_1(inner, labels), 0.2))
        shortcut: Tensor = self.conv_s(self.norm_s(x, labels)) if self.learned_shortcut else x
        return shortcut + inner
