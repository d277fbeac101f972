"""Canonical keypoints, 3-D dense motion and the generators of face-vid2vid (docs/specs/facevid2vid.md 2, 3)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import (
    AntiAliasDownsample,
    DownBlock,
    HourglassConfig,
    ResBlock,
    SameBlock,
    down_blocks,
    up_blocks,
)
from talkbench.methods.dense_motion import sparse_warps
from talkbench.methods.facevid2vid.blocks3d import Hourglass3d, ResBlock3d, UpBlock3d, numbered
from talkbench.methods.facevid2vid.head import Head
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import coordinate_grid, gaussian_heatmap
from talkbench.methods.spade import SPADEResBlock


@dataclass(frozen=True)
class VolumeConfig:
    """Sizes of feature volumes and of the network that moves them (docs/specs/facevid2vid.md 2).

    Attributes:
        depth: D of all volumes.
        volume_channels: channels of the source's feature volume; `compressed_channels`: of its copies that are warped.
        block_expansion: channels of the generator's first map.
        num_resblocks: number of residual blocks of the volume, and of the decoder.
        legacy_3d_blocks: see `blocks3d`.
    """

    resolution: int = 256
    num_kp: int = 15
    depth: int = 16
    dense_motion: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    volume_channels: int = 32
    compressed_channels: int = 4
    block_expansion: int = 64
    num_resblocks: int = 6
    legacy_3d_blocks: bool = False

    @property
    def widths(self) -> list[int]:
        """Channels of the generator's maps at full size, half and quarter."""
        return [self.block_expansion * 2**i for i in range(3)]


@dataclass(frozen=True)
class FaceVid2VidConfig(VolumeConfig):
    """Sizes and rules; the defaults are the newer of the two released models (docs/specs/facevid2vid.md 1.1, 2).

    Attributes:
        head_expansion: see `HeadEstimator`.
        spade: decode by SPADE blocks; else by residual and up blocks (the "original" generator).
        legacy_rotation: see `rotation_matrix`.
    """

    kp_detector: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    head_expansion: int = 64
    spade: bool = True
    legacy_rotation: bool = False


@dataclass(frozen=True)
class Volume(Batch):
    """A source as dense motion sees it: `keypoints` (B, K, 3), (x, y, z) in [−1, 1], and their heatmaps
    (B, K, D, h, w); feature volume (B, C, D, h, w) and its compressed form."""

    keypoints: Tensor
    heatmap: Tensor
    volume: Tensor
    compressed: Tensor


@dataclass(frozen=True)
class SourceVolume(Volume):
    """What is needed of a source: also its `canonical` keypoints (B, K, 3), which its own `head` moves to
    `keypoints`."""

    canonical: Tensor
    head: Head


class _Predictor(nn.Module):
    """Images to volumes of the same height and width, without skips."""

    def __init__(self, config: HourglassConfig, depth: int, legacy: bool) -> None:
        super().__init__()
        widths = config.widths
        downs = itertools.pairwise([3, *widths[1:]])
        ups = itertools.pairwise(reversed(widths))
        self.down_blocks = numbered("down", (DownBlock(a, b) for a, b in downs))
        self.conv = nn.Conv2d(widths[-1], widths[-1] * depth, 1)
        self.up_blocks = numbered("up", (UpBlock3d(a, b, legacy) for a, b in ups))
        self.depth = depth

    def forward(self, images: Tensor) -> Tensor:
        volume = self.conv(self.down_blocks(images)).unflatten(1, (-1, self.depth))
        out: Tensor = self.up_blocks(volume)
        return out


class CanonicalKeypointDetector(nn.Module):
    """Images (B, 3, H, W) → canonical keypoints (B, K, 3) by soft-argmax over a volume
    (docs/specs/facevid2vid.md 2.2, 3.2)."""

    def __init__(self, config: FaceVid2VidConfig) -> None:
        super().__init__()
        hourglass = config.kp_detector
        self.predictor = _Predictor(hourglass, config.depth, config.legacy_3d_blocks)
        self.kp = nn.Conv3d(hourglass.block_expansion, config.num_kp, 3, padding=1)
        scale = hourglass.scale_factor
        self.down = AntiAliasDownsample(3, scale) if scale < 1 else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        logits = self.kp(self.predictor(self.down(images))).float() / 0.1  # the temperature
        heatmap = logits.flatten(2).softmax(2).unflatten(2, logits.shape[2:])
        # Means along the three axes by their marginals: over all voxels at once, a matrix product would lose
        # 3e-5 (beta: 3e-4) in float32.
        marginals = [heatmap.sum(others) for others in ((2, 3), (2, 4), (3, 4))]
        return torch.stack([(m * coordinate_grid(m.shape[2:], m)[..., 0]).sum(2) for m in marginals], dim=2)


class DenseMotionNetwork3d(nn.Module):
    """Combines K translations and the still background into one flow of the volume
    (docs/specs/facevid2vid.md 2.4, 3.4)."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        motions = config.num_kp + 1
        self.hourglass = Hourglass3d(
            motions * (config.compressed_channels + 1), config.dense_motion, config.legacy_3d_blocks
        )
        features = self.hourglass.out_features
        self.mask = nn.Conv3d(features, motions, 7, padding=3)
        self.compress = nn.Conv3d(config.volume_channels, config.compressed_channels, 1)
        self.norm = nn.BatchNorm3d(config.compressed_channels)
        self.occlusion = nn.Conv2d(features * config.depth, 1, 7, padding=3)

    def encode(self, volume: Tensor) -> Tensor:
        """The compressed form of the source's volume."""
        return F.relu(self.norm(self.compress(volume)))

    def forward(self, source: Volume, driving: Tensor) -> tuple[Tensor, Tensor]:
        """Flow (B, D, h, w, 3), (x, y, z) in the source of each driving voxel, and occlusion (B, 1, h, w), 1 where the
        warped source is kept, for `driving` keypoints (B, K, 3)."""
        sizes = source.compressed.shape[2:]
        heatmap = gaussian_heatmap(driving, sizes) - source.heatmap
        heatmap = F.pad(heatmap, (0, 0, 0, 0, 0, 0, 1, 0))  # the background has no heatmap
        shifts = F.pad(source.keypoints - driving, (0, 0, 1, 0))  # nor does it move
        grid = coordinate_grid(sizes, shifts)
        warped = sparse_warps(source.compressed, grid + shifts[:, :, None, None, None], align_corners=False)
        feature = self.hourglass(torch.cat([heatmap[:, :, None], warped], dim=2).flatten(1, 2))
        mask = self.mask(feature).float().softmax(1)
        with torch.autocast(mask.device.type, enabled=False):
            flow = grid + torch.einsum("bkdhw,bkc->bdhwc", mask, shifts)  # masks add up to one
        return flow, self.occlusion(feature.flatten(1, 2)).float().sigmoid()


class SPADEDecoder(nn.Module):
    """(B, features, h, w), the labels of all its norms as well → logits (B, 3, 4h, 4w)
    (docs/specs/facevid2vid.md 2.5)."""

    def __init__(self, features: int, num_resblocks: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(features, 2 * features, 3, padding=1)
        self.middle = [f"G_middle_{index}" for index in range(num_resblocks)]
        for name in self.middle:
            self.add_module(name, SPADEResBlock(2 * features, 2 * features, features))
        self.up_0 = SPADEResBlock(2 * features, features, features)
        self.up_1 = SPADEResBlock(features, features // 4, features)
        self.conv_img: nn.Module = nn.Conv2d(features // 4, 3, 3, padding=1)

    def forward(self, labels: Tensor) -> Tensor:
        x = self.fc(labels)
        for name in self.middle:
            x = self.get_submodule(name)(x, labels)
        for up in (self.up_0, self.up_1):
            x = up(F.interpolate(x, scale_factor=2.0, mode="nearest"), labels)
        out: Tensor = self.conv_img(F.leaky_relu(x, 0.2))
        return out


class LeakySameBlock(SameBlock):
    """`SameBlock` whose activation is a leaky ReLU of slope 0.01."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.01)


class Generator(nn.Module):
    """Lifts the source into a volume, warps it, flattens it and decodes."""

    def __init__(self, config: FaceVid2VidConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        flattened = config.volume_channels * config.depth
        self.dense_motion_network = DenseMotionNetwork3d(config)
        self.first = SameBlock(3, widths[0], 3 if config.spade else 7)
        self.down_blocks = down_blocks(widths)
        self.second = nn.Conv2d(widths[-1], flattened, 1)
        blocks = range(config.num_resblocks)
        self.resblocks_3d = numbered("3dr", (ResBlock3d(config.volume_channels) for _ in blocks))
        self.third = LeakySameBlock(flattened, widths[-1])
        self.fourth = nn.Conv2d(widths[-1], widths[-1], 1)
        if config.spade:
            self.decoder = SPADEDecoder(widths[-1], config.num_resblocks)
        else:
            self.resblocks_2d = numbered("2dr", (ResBlock(widths[-1]) for _ in blocks))
            self.up_blocks = up_blocks(widths[::-1])
            self.final = nn.Conv2d(widths[0], 3, 7, padding=3)

    def encode(self, images: Tensor, canonical: Tensor, head: Head) -> SourceVolume:
        """Everything that depends on the source (B, 3, H, W) alone."""
        maps = self.first(images)
        for down in self.down_blocks:
            maps = down(maps)
        volume = self.resblocks_3d(self.second(maps).unflatten(1, (-1, self.config.depth)))
        compressed = self.dense_motion_network.encode(volume)
        keypoints = head.keypoints(canonical)
        heatmap = gaussian_heatmap(keypoints, volume.shape[2:])
        # Float32, since sampling rounds the flow to the volume's precision: by half a voxel in half precision.
        return SourceVolume(keypoints, heatmap, volume.float(), compressed.float(), canonical, head)

    def forward(self, source: SourceVolume, driving: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of the source at the `driving` keypoints (B, K, 3)."""
        flow, occlusion = self.dense_motion_network(source, driving)
        warped = F.grid_sample(source.volume, flow, align_corners=False).flatten(1, 2)
        features = self.fourth(self.third(warped)) * occlusion
        return self._decode(features).float().sigmoid()

    def _decode(self, features: Tensor) -> Tensor:
        if self.config.spade:
            logits: Tensor = self.decoder(features)
            return logits
        out = self.resblocks_2d(features)
        for up in self.up_blocks:
            out = up(out)
        return self.final(out)
