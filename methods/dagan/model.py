"""DaGAN's generator: warp the source's features by the dense flow, let the source's depth attend to them, decode.

docs/specs/dagan.md 2.3, 2.4, 2.5, 3. All sampling and enlarging is with ``align_corners=False``
(docs/specs/dagan.md 1.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.attention import attend
from talkbench.methods.blocks import RESNET_WIDTH, HourglassConfig, SameBlock, bottleneck, down_blocks, up_blocks
from talkbench.methods.dense_motion import DenseMotion, DenseMotionNetwork
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import Keypoints
from talkbench.methods.spade import SPADEResBlock
from talkbench.methods.warping import resize_to, warp


@dataclass(frozen=True)
class DaGANConfig:
    """Sizes of DaGAN; the defaults are the paper's model (docs/specs/dagan.md 2).

    Attributes:
        spade: whether the SPADE decoder replaces residual and up blocks. It enlarges twice, so it requires
            `num_down_blocks` 2, and ignores `num_bottleneck_blocks`.
        depth_layers: number of layers of the depth network's ResNet, 18 or 50.
        depth_width: of that ResNet, see `talkbench.methods.blocks.resnet`.
        learned_depth: whether the depth network learns with the others, since none is published that fits.
    """

    resolution: int = 256
    num_kp: int = 15
    kp_detector: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    dense_motion: HourglassConfig = field(default_factory=lambda: HourglassConfig(64))
    block_expansion: int = 64
    max_features: int = 512
    num_down_blocks: int = 2
    num_bottleneck_blocks: int = 6
    spade: bool = False
    depth_layers: int = 18
    depth_width: int = RESNET_WIDTH
    learned_depth: bool = False

    @property
    def widths(self) -> list[int]:
        """Channels of the encoders' maps, from full size to the deepest."""
        return [min(self.max_features, self.block_expansion * 2**i) for i in range(self.num_down_blocks + 1)]


@dataclass(frozen=True)
class SourceMaps(Batch):
    """What the generator needs of a source: the deepest feature map, the small image, the keypoints, the attention's
    queries from its depth, and, for the SPADE decoder alone, the image."""

    features: Tensor
    small: Tensor
    keypoints: Keypoints
    query: Tensor
    image: Tensor | None


@dataclass(frozen=True)
class Generated:
    """`prediction` (B, 3, H, W) in [0, 1], and the flow that it came from."""

    prediction: Tensor
    motion: DenseMotion


class CrossModalAttention(nn.Module):
    """Attention of the source's depth (queries) to the warped features (keys and values): (B, C, h, w) → the same
    shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.query_conv = nn.Conv2d(features, features // 8, 1)
        self.key_conv = nn.Conv2d(features, features // 8, 1)
        self.value_conv = nn.Conv2d(features, features, 1)

    def query(self, depth_features: Tensor) -> Tensor:
        """Queries (B, C/8, h, w) from the depth encoder's features (B, C, h, w)."""
        return F.relu(self.query_conv(depth_features))

    def forward(self, query: Tensor, features: Tensor) -> Tensor:
        """γ · attention + `features`; the logits are not scaled by the width (docs/specs/dagan.md 3)."""
        key, value = F.relu(self.key_conv(features)), F.relu(self.value_conv(features))
        # A sum has the memory layout of its first term: `features` there makes a frame decode as it does in a batch.
        return features + self.gamma * attend(query, key, value, scale=1.0)


class SPADEDecoder(nn.Module):
    """Features (B, C, h, w), normalised by labels made of themselves and the warped image, → (B, 3, 4h, 4w)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        labels = 4 + 3  # compressed features, then the image's RGB
        self.compress = nn.Conv2d(features, 4, 3, padding=1)
        self.fc = nn.Conv2d(features, 2 * features, 3, padding=1)
        self.G_middle_0 = SPADEResBlock(2 * features, 2 * features, labels)
        self.G_middle_1 = SPADEResBlock(2 * features, 2 * features, labels)
        self.G_middle_2 = SPADEResBlock(2 * features, 2 * features, labels)
        self.up_0 = SPADEResBlock(2 * features, features, labels)
        self.up_1 = SPADEResBlock(features, features // 4, labels)
        self.conv_img = nn.Conv2d(features // 4, 3, 3, padding=1)

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """`image` (B, 3, 4h, 4w): the source, warped and occluded."""
        compressed = F.interpolate(self.compress(features), size=image.shape[2:], mode="nearest")
        labels = torch.cat([compressed, image], dim=1)
        out = self.fc(features)
        for block in (self.G_middle_0, self.G_middle_1, self.G_middle_2):
            out = block(out, labels)
        for block in (self.up_0, self.up_1):
            out = block(F.interpolate(out, scale_factor=2.0, mode="nearest"), labels)
        decoded: Tensor = self.conv_img(F.leaky_relu(out, 0.2))
        return decoded


class Generator(nn.Module):
    """Encoders of image and depth, dense motion, attention, and one of two decoders."""

    def __init__(self, config: DaGANConfig) -> None:
        super().__init__()
        widths = config.widths
        self.dense_motion_network = DenseMotionNetwork(config.num_kp, config.dense_motion)
        self.first = SameBlock(3, widths[0], 7)
        self.down_blocks = down_blocks(widths)
        self.src_first = SameBlock(1, widths[0], 7)
        self.src_down_blocks = down_blocks(widths)
        self.AttnModule = CrossModalAttention(widths[-1])
        self.spade = config.spade
        if self.spade:
            self.decoder = SPADEDecoder(widths[-1])
        else:
            self.up_blocks = up_blocks(widths[::-1])
            self.bottleneck = bottleneck(widths[-1], config.num_bottleneck_blocks)
            self.final = nn.Conv2d(widths[0], 3, 7, padding=3)

    def encode(self, images: Tensor, disparity: Tensor, keypoints: Keypoints) -> SourceMaps:
        """The part of the generator that depends on the source alone: images (B, 3, H, W), disparity (B, 1, H, W)."""
        features, depth = self.first(images), self.src_first(disparity)
        for down, depth_down in zip(self.down_blocks, self.src_down_blocks, strict=True):
            features, depth = down(features), depth_down(depth)
        small = self.dense_motion_network.down(images)
        return SourceMaps(features, small, keypoints, self.AttnModule.query(depth), images if self.spade else None)

    def forward(self, source: SourceMaps, kp_driving: Keypoints) -> Generated:
        """Render `source` in the motion `kp_driving`."""
        motion = self.dense_motion_network(source.small, source.keypoints, kp_driving)
        warped = self._warp(source.features, motion)
        attended = self.AttnModule(source.query, warped)
        if source.image is not None:
            decoded = self.decoder(attended, self._warp(source.image, motion))
        else:
            decoded = self.bottleneck(attended)
            for up in self.up_blocks:
                decoded = up(decoded)
            decoded = self.final(decoded)
        return Generated(decoded.float().sigmoid(), motion)

    def _warp(self, x: Tensor, motion: DenseMotion) -> Tensor:
        """`x` (B, C, H, W) moved by the flow and multiplied by the occlusion map."""
        warped = warp(x, motion.deformation, align_corners=False, resize_corners=False)
        return warped * resize_to(motion.occlusion_map, x, align_corners=False)
