"""MRAA's generator: warp the source's maps by the regions' flow, blend them in at every size
(docs/specs/mraa.md 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import Encoder, HourglassConfig, Linear, SameBlock, bottleneck, down_blocks, up_blocks
from talkbench.methods.dense_motion import DenseMotion, DenseMotionNetwork, affine_motions
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import coordinate_grid, gaussian_heatmap
from talkbench.methods.mraa.regions import Regions, affine_change, axis_sign
from talkbench.methods.warping import resize_to, warp


@dataclass(frozen=True)
class MRAAConfig:
    """Sizes of MRAA; the defaults are the face model, whose region head alone is padded (docs/specs/mraa.md 2.1)."""

    resolution: int = 256
    num_regions: int = 10
    region_padding: int = 3
    region_predictor: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    background_predictor: HourglassConfig = field(default_factory=lambda: HourglassConfig(32))
    flow_predictor: HourglassConfig = field(default_factory=lambda: HourglassConfig(64))
    block_expansion: int = 64
    max_features: int = 512
    num_down_blocks: int = 2
    num_bottleneck_blocks: int = 6
    avd_bottleneck: int = 64

    @property
    def widths(self) -> list[int]:
        """Channels of the encoder's maps, from full size to the deepest."""
        return [min(self.max_features, self.block_expansion * 2**i) for i in range(self.num_down_blocks + 1)]


@dataclass(frozen=True)
class SourceMaps(Batch):
    """What rendering needs of a source: encoder `maps`, full size first; the image itself and a small one;
    the regions, and their gaussians (B, K, h, w) at the small size."""

    maps: tuple[Tensor, ...]
    image: Tensor
    small: Tensor
    regions: Regions
    heatmap: Tensor


@dataclass(frozen=True)
class Generated:
    """`prediction` and the warped source `deformed`, (B, 3, H, W) in [0, 1], and the flow."""

    prediction: Tensor
    deformed: Tensor
    motion: DenseMotion


class BackgroundPredictor(nn.Module):
    """The background's affine map (B, 2, 3) from driving to source coordinates (x, y, 1) (docs/specs/mraa.md 2.4)."""

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        self.encoder = Encoder(6, config)
        self.fc = Linear(config.widths[-1], 6)
        nn.init.zeros_(self.fc.weight)
        with torch.no_grad():
            self.fc.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        feature = self.encoder(torch.cat([source, driving], dim=1))[-1].float().mean((2, 3))
        with torch.autocast(feature.device.type, enabled=False):
            return self.fc(feature).unflatten(1, (2, 3))


class Generator(nn.Module):
    """Encoder, flow predictor, residual blocks, and a decoder that takes what is visible from the warped maps."""

    def __init__(self, config: MRAAConfig) -> None:
        super().__init__()
        widths = config.widths
        self.pixelwise_flow_predictor = DenseMotionNetwork(config.num_regions, config.flow_predictor)
        self.first = SameBlock(3, widths[0], 7)
        self.down_blocks = down_blocks(widths)
        self.up_blocks = up_blocks(widths[::-1])
        self.bottleneck = bottleneck(widths[-1], config.num_bottleneck_blocks)
        self.final = nn.Conv2d(widths[0], 3, 7, padding=3)

    def encode(self, images: Tensor, regions: Regions, small: Tensor) -> SourceMaps:
        """The part of the generator that depends on the source (B, 3, H, W) alone."""
        maps = [self.first(images)]
        for down in self.down_blocks:
            maps.append(down(maps[-1]))
        return SourceMaps(tuple(maps), images, small, regions, _gaussians(regions, small))

    def forward(self, source: SourceMaps, driving: Regions, background: Tensor | None = None) -> Generated:
        """Render `source` in the motion `driving`; `background`: its affine map (B, 2, 3), None for a still one."""
        motion = self.dense_motion(source, driving, background)
        deformed, *skips = [_warp(x, motion) for x in (source.image, *source.maps)]
        keeps = [resize_to(motion.occlusion_map, skip, align_corners=False) for skip in skips]
        out = self.bottleneck(skips[-1] * keeps[-1])
        for layer, skip, keep in zip((*self.up_blocks, self.final), skips[::-1], keeps[::-1], strict=True):
            out = layer(skip * keep + out * (1 - keep))
        prediction = deformed * keeps[0] + out.float().sigmoid() * (1 - keeps[0])
        return Generated(prediction, deformed, motion)

    def dense_motion(self, source: SourceMaps, driving: Regions, background: Tensor | None) -> DenseMotion:
        """The sparse motions combined to one flow (docs/specs/mraa.md 3.4)."""
        heatmap = _gaussians(driving, source.small) - source.heatmap
        motions = sparse_motions(source.regions, driving, background, source.small.shape[2:])
        return self.pixelwise_flow_predictor.combine(source.small, heatmap, motions)


def sparse_motions(source: Regions, driving: Regions, background: Tensor | None, size: torch.Size) -> Tensor:
    """Backward maps (B, K+1, h, w, 2) of the background, first, and of each region (docs/specs/mraa.md 3.3)."""
    with torch.autocast(driving.shift.device.type, enabled=False):
        change = affine_change(source.affine, driving.affine)
        moved = affine_motions(source.shift, driving.shift, change * axis_sign(change), size)
        if background is None:
            still = coordinate_grid(size, moved).expand(len(moved), -1, -1, -1)
        else:
            still = F.affine_grid(background, [len(moved), 1, *size], align_corners=True)
        return torch.cat([still[:, None], moved], dim=1)


def _gaussians(regions: Regions, like: Tensor) -> Tensor:
    with torch.autocast(like.device.type, enabled=False):
        return gaussian_heatmap(regions.shift, like.shape[2:], regions.covar)


def _warp(x: Tensor, motion: DenseMotion) -> Tensor:
    return warp(x, motion.deformation, align_corners=False, resize_corners=False)
