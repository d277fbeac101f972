"""LivePortrait's appearance features, warping and decoder (docs/specs/liveportrait.md 2.1, 2.3, 2.4).

They are face-vid2vid's, cut into networks of their own. Attribute names are the keys of the authors' checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import SameBlock, down_blocks
from talkbench.methods.facevid2vid.blocks3d import ResBlock3d, numbered
from talkbench.methods.facevid2vid.model import (
    DenseMotionNetwork3d,
    LeakySameBlock,
    SPADEDecoder,
    Volume,
    VolumeConfig,
)
from talkbench.methods.liveportrait.motion import NUM_KP, Head

UPSCALE = 2
"""How many times larger than the input the decoder's image is."""


@dataclass(frozen=True)
class LivePortraitConfig(VolumeConfig):
    """Sizes; the defaults are the released model's (docs/specs/liveportrait.md 2).

    Attributes:
        motion_widths, motion_depths: channels and blocks of each stage of the motion extractor.
    """

    num_kp: int = NUM_KP
    motion_widths: tuple[int, ...] = (96, 192, 384, 768)
    motion_depths: tuple[int, ...] = (3, 3, 9, 3)


@dataclass(frozen=True)
class Portrait(Volume):
    """What is needed of a source: also its `canonical` keypoints (B, K, 3), which its own `head` moves to
    `keypoints`."""

    canonical: Tensor
    head: Head


class AppearanceFeatureExtractor(nn.Module):
    """Images (B, 3, H, W) → feature volumes (B, C, D, H/4, W/4)."""

    def __init__(self, config: LivePortraitConfig) -> None:
        super().__init__()
        widths = config.widths
        self.first = SameBlock(3, widths[0])
        self.down_blocks = down_blocks(widths)
        self.second = nn.Conv2d(widths[-1], config.volume_channels * config.depth, 1)
        blocks = (ResBlock3d(config.volume_channels) for _ in range(config.num_resblocks))
        self.resblocks_3d = numbered("3dr", blocks)
        self.depth = config.depth

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        for down in self.down_blocks:
            maps = down(maps)
        volume: Tensor = self.resblocks_3d(self.second(maps).unflatten(1, (-1, self.depth)))
        return volume


class WarpingModule(nn.Module):
    """Moves a source's volume and flattens it: features (B, C, h, w) for the decoder, the flow (B, D, h, w, 3) and the
    occlusion (B, 1, h, w), for driving keypoints (B, K, 3)."""

    def __init__(self, config: LivePortraitConfig) -> None:
        super().__init__()
        width = config.widths[-1]
        self.dense_motion_network = DenseMotionNetwork3d(config)
        self.third = LeakySameBlock(config.volume_channels * config.depth, width)
        self.fourth = nn.Conv2d(width, width, 1)

    def forward(self, source: Volume, driving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flow, occlusion = self.dense_motion_network(source, driving)
        warped = F.grid_sample(source.volume, flow, align_corners=False).flatten(1, 2)
        return self.fourth(self.third(warped)) * occlusion, flow, occlusion


class SPADEGenerator(SPADEDecoder):
    """Features (B, C, h, w) → logits (B, 3, 8h, 8w): face-vid2vid's decoder and a pixel shuffle."""

    def __init__(self, config: LivePortraitConfig) -> None:
        width = config.widths[-1]
        super().__init__(width, config.num_resblocks)
        last = nn.Conv2d(width // 4, 3 * UPSCALE**2, 3, padding=1)
        self.conv_img = nn.Sequential(last, nn.PixelShuffle(UPSCALE))
