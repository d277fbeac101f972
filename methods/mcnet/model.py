"""MCNet's generator: warp the source's feature maps, let the memory compensate them, decode
(docs/specs/mcnet.md 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from talkbench.methods.blocks import HourglassConfig, SameBlock, decode, down_blocks, skip_decoder
from talkbench.methods.dense_motion import DenseMotion, DenseMotionNetwork
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import Keypoints
from talkbench.methods.mcnet.memory import Compensation, MemoryConfig, MemoryUnit
from talkbench.methods.warping import resize_to, warp


@dataclass(frozen=True)
class MCNetConfig:
    """Sizes of MCNet; the defaults are the paper's model (docs/specs/mcnet.md 2).

    Attributes:
        consistent: whether training has the consistency loss of memory values and features (Eq. 4), which changes no
            network.
    """

    resolution: int = 256
    num_kp: int = 15
    kp_detector: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    dense_motion: HourglassConfig = field(default_factory=lambda: HourglassConfig(64))
    block_expansion: int = 64
    max_features: int = 512
    num_down_blocks: int = 3
    memory: MemoryConfig | None = field(default_factory=MemoryConfig)
    consistent: bool = True

    @property
    def widths(self) -> list[int]:
        """Channels of the encoder's maps, from full size to the deepest."""
        return [min(self.max_features, self.block_expansion * 2**i) for i in range(self.num_down_blocks + 1)]

    @property
    def levels(self) -> dict[int, int]:
        """Side → channels of the maps that the memory compensates, deepest first; empty without memory.

        Sides 16 … 128 of a 256 image in the paper's order; the full-size map is never compensated.
        """
        if self.memory is None:
            return {}
        depths = range(self.num_down_blocks, 0, -1)
        sides = {self.resolution >> depth: self.widths[depth] for depth in depths}
        return dict(list(sides.items())[:1]) if self.memory.deepest_only else sides


@dataclass(frozen=True)
class SourceMaps(Batch):
    """What the generator needs of a source: encoder `maps`, full size first; the first is followed by the
    source's RGB on the channel axis, since both are warped alike; the small image and the keypoints."""

    maps: tuple[Tensor, ...]
    small: Tensor
    keypoints: Keypoints


@dataclass(frozen=True)
class Generated:
    """`prediction` (B, 3, H, W) in [0, 1], the flow, and the memory's side outputs, deepest level first."""

    prediction: Tensor
    deformed: Tensor
    motion: DenseMotion
    compensations: tuple[Compensation, ...]


class Generator(nn.Module):
    """Encoder, dense motion, memory unit and decoder."""

    def __init__(self, config: MCNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.dense_motion_network = DenseMotionNetwork(config.num_kp, config.dense_motion)
        self.first = SameBlock(3, widths[0], 7)
        self.down_blocks = down_blocks(widths)
        self.up_blocks, self.resblock = skip_decoder(widths)
        self.final = nn.Conv2d(widths[0], 3, 7, padding=3)
        if config.memory is not None:
            self.mbUnit = MemoryUnit(config.memory, config.levels, config.num_kp)

    def encode(self, images: Tensor, keypoints: Keypoints, small: Tensor) -> SourceMaps:
        """The part of the generator that depends on the source (B, 3, H, W) alone."""
        maps = [self.first(images)]
        for down in self.down_blocks:
            maps.append(down(maps[-1]))
        maps[0] = torch.cat([maps[0], images.to(maps[0].dtype)], dim=1)
        return SourceMaps(tuple(maps), small, keypoints)

    def forward(self, source: SourceMaps, kp_driving: Keypoints, noise: tuple[Tensor, ...] | None = None) -> Generated:
        """Render `source` in the motion `kp_driving`; `noise`: one map (B or 1, 1, m, m) per level, None for none."""
        motion = self.dense_motion_network(source.small, source.keypoints, kp_driving)
        full, *skips = [
            warp(features, motion.deformation, align_corners=True, resize_corners=True) for features in source.maps
        ]
        occlusion = motion.occlusion_map
        skips = [skip * resize_to(occlusion, skip, align_corners=True) for skip in skips]
        compensations: list[Compensation] = []
        compensated = []
        for depth, skip in reversed(list(enumerate(skips, start=1))):
            level = self.config.resolution >> depth
            if level in self.config.levels:
                level_noise = None if noise is None else noise[len(compensations)]
                compensations.append(self.mbUnit(level, skip, source.keypoints.value, level_noise))
                skip = compensations[-1].output
            compensated.append(skip)
        decoded = decode(compensated, self.up_blocks, self.resblock)
        keep = resize_to(occlusion, full, align_corners=True)
        features, deformed = full[:, :-3], full[:, -3:]
        prediction = self.final(decoded * (1 - keep) + features * keep).float().sigmoid()
        return Generated(prediction * (1 - keep) + deformed * keep, deformed, motion, tuple(compensations))
