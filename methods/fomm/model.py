"""FOMM's generator: warp the source's deepest map by the dense flow, refine and decode it (docs/specs/fomm.md 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from talkbench.methods.blocks import HourglassConfig, SameBlock, bottleneck, down_blocks, up_blocks
from talkbench.methods.dense_motion import DenseMotion, DenseMotionNetwork
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import Keypoints
from talkbench.methods.warping import resize_to, warp


@dataclass(frozen=True)
class FOMMConfig:
    """Sizes of FOMM; the defaults are those of all released face models (docs/specs/fomm.md 2)."""

    resolution: int = 256
    num_kp: int = 10
    kp_detector: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    dense_motion: HourglassConfig = field(default_factory=lambda: HourglassConfig(64))
    block_expansion: int = 64
    max_features: int = 512
    num_down_blocks: int = 2
    num_bottleneck_blocks: int = 6
    spectral_discriminator: bool = False
    conditional_discriminator: bool = False

    @property
    def widths(self) -> list[int]:
        """Channels of the encoder's maps, from full size to the deepest."""
        return [min(self.max_features, self.block_expansion * 2**i) for i in range(self.num_down_blocks + 1)]


@dataclass(frozen=True)
class SourceMaps(Batch):
    """What the generator needs of a source: its deepest feature map, the small image and the keypoints."""

    features: Tensor
    small: Tensor
    keypoints: Keypoints


@dataclass(frozen=True)
class Generated:
    """`prediction` (B, 3, H, W) in [0, 1], and the flow that it came from."""

    prediction: Tensor
    motion: DenseMotion


class Generator(nn.Module):
    """Encoder, dense motion, residual blocks and decoder, without skips
    (docs/specs/fomm.md "Block: occlusion-aware generator").

    Args:
        align_corners: for both samplings (docs/specs/fomm.md 1.2, R1 and R2); maps are enlarged without (R4, R5).
    """

    def __init__(self, config: FOMMConfig, align_corners: bool) -> None:
        super().__init__()
        widths = config.widths
        self.dense_motion_network = DenseMotionNetwork(config.num_kp, config.dense_motion, align_corners)
        self.first = SameBlock(3, widths[0], 7)
        self.down_blocks = down_blocks(widths)
        self.up_blocks = up_blocks(widths[::-1])
        self.bottleneck = bottleneck(widths[-1], config.num_bottleneck_blocks)
        self.final = nn.Conv2d(widths[0], 3, 7, padding=3)
        self.align_corners = align_corners

    def encode(self, images: Tensor, keypoints: Keypoints, small: Tensor) -> SourceMaps:
        """The part of the generator that depends on the source (B, 3, H, W) alone."""
        features = self.first(images)
        for down in self.down_blocks:
            features = down(features)
        return SourceMaps(features, small, keypoints)

    def forward(self, source: SourceMaps, kp_driving: Keypoints) -> Generated:
        """Render `source` in the motion `kp_driving`."""
        motion = self.dense_motion_network(source.small, source.keypoints, kp_driving)
        warped = warp(source.features, motion.deformation, self.align_corners, resize_corners=False)
        out = self.bottleneck(warped * resize_to(motion.occlusion_map, warped, align_corners=False))
        for up in self.up_blocks:
            out = up(out)
        return Generated(self.final(out).float().sigmoid(), motion)
