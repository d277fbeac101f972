"""TPSM's networks: thin-plate splines are combined to a dense flow with masks, with which an image is inpainted
(docs/specs/tpsm.md 2, 3).

Attribute names are the keys of the authors' checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.methods.blocks import (
    RESNET_WIDTH,
    AntiAliasDownsample,
    Hourglass,
    HourglassConfig,
    SameBlock,
    decode,
    down_blocks,
    instance_norm,
    resnet,
    skip_decoder,
    up_blocks,
)
from talkbench.methods.dense_motion import sparse_warps
from talkbench.methods.interface import Batch
from talkbench.methods.keypoints import coordinate_grid, gaussian_heatmap
from talkbench.methods.mcnet.memory import Compensation, MemoryConfig, MemoryUnit
from talkbench.methods.tpsm.spline import fit_splines
from talkbench.methods.warping import warp

POINTS = 5  # control points of a spline


@dataclass(frozen=True)
class TPSMConfig:
    """Sizes of TPSM; the defaults are those of all released models (docs/specs/tpsm.md 2).

    Attributes:
        resnet_width: of the keypoint detector and of the background predictor, see `talkbench.methods.blocks.resnet`.
        memory: MCNet's memory unit in the inpainting network (docs/specs/mcnet.md 8.2); None for TPSM itself.
    """

    resolution: int = 256
    num_tps: int = 10
    resnet_width: int = RESNET_WIDTH
    dense_motion: HourglassConfig = field(default_factory=lambda: HourglassConfig(64))
    block_expansion: int = 64
    max_features: int = 512
    num_down_blocks: int = 3
    memory: MemoryConfig | None = None

    @property
    def widths(self) -> list[int]:
        """Channels of the encoder's maps, from full size to the deepest."""
        return [min(self.max_features, self.block_expansion * 2**i) for i in range(self.num_down_blocks + 1)]

    @property
    def levels(self) -> dict[int, int]:
        """Side → channels of the maps that the memory compensates, deepest first: all but the full-size one."""
        return {self.resolution >> depth: self.widths[depth] for depth in range(self.num_down_blocks, 0, -1)}


@dataclass(frozen=True)
class SourceMaps(Batch):
    """What rendering needs of a source.

    Attributes:
        images: (B, 3, H, W).
        maps: of the encoder, full size first.
        small: the images at the size of the dense motion, (B, 3, h, w).
        keypoints: (B, K·5, 2).
        heatmap: their gaussians, (B, K·5, h, w).
        identity: code of the keypoints from the AVD network, if that is used.
    """

    images: Tensor
    maps: tuple[Tensor, ...]
    small: Tensor
    keypoints: Tensor
    heatmap: Tensor
    identity: Tensor | None = None


@dataclass(frozen=True)
class MaskedFlow:
    """`deformation` (B, h, w, 2): for each driving pixel the source coordinate (x, y) in [−1, 1];
    `occlusion_maps`, coarse to fine, the last (B, 1, H, W): 1 keeps the warped source, 0 leaves it to the decoder."""

    deformation: Tensor
    occlusion_maps: tuple[Tensor, ...]


@dataclass(frozen=True)
class Generated:
    """`prediction` and the warped source `deformed`, (B, 3, H, W) in [0, 1]; the memory's side outputs, deepest
    level first, none without memory."""

    prediction: Tensor
    deformed: Tensor
    compensations: tuple[Compensation, ...]


class _Head(nn.Linear):
    """Linear layer in float64, with a result in float64. At the image's border an error of 1e-6 in the flow becomes one
    of 1e-4 in the picture (docs/specs/tpsm.md 7), and most of that error would come from rounding here."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.double(), self.weight.double(), self.bias.double())


class KeypointDetector(nn.Module):
    """Images (B, 3, H, W) → keypoints (B, K·5, 2), (x, y) in [−1, 1], five in a row to a spline
    (docs/specs/tpsm.md 2.2)."""

    def __init__(self, num_tps: int, width: int) -> None:
        super().__init__()
        head = _Head(8 * width, 2 * POINTS * num_tps)
        self.fg_encoder = resnet(18, "tpsm", width=width)
        self.fg_encoder.fc = head

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):  # half precision moves the points by whole pixels
            return (2 * self.fg_encoder(images).sigmoid() - 1).float().unflatten(1, (-1, 2))


class BackgroundPredictor(nn.Module):
    """The background's affine map (B, 3, 3) from driving to source coordinates (x, y, 1); a fresh one predicts the
    identity (docs/specs/tpsm.md 2.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        head = _Head(8 * width, 6)
        nn.init.zeros_(head.weight)
        with torch.no_grad():
            head.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))
        self.bg_encoder = resnet(18, "tpsm", channels=6, width=width)
        self.bg_encoder.fc = head

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        with torch.autocast(source.device.type, enabled=False):
            rows = self.bg_encoder(torch.cat([source, driving], dim=1)).float().unflatten(1, (2, 3))
        last = torch.eye(3, device=rows.device)[2:].expand(len(rows), -1, -1)
        return torch.cat([rows, last], dim=1)


def sparse_motions(source: Tensor, driving: Tensor, background: Tensor | None, sizes: torch.Size) -> Tensor:
    """Backward maps (B, K+1, h, w, 2): the background's, then one spline per five keypoints (B, K·5, 2).

    `background`: matrices (B, 3, 3), None for a background that stands still.
    """
    with torch.autocast(driving.device.type, enabled=False):
        grid = coordinate_grid(sizes, driving)
        splines = fit_splines(driving.unflatten(1, (-1, POINTS)), source.unflatten(1, (-1, POINTS)))
        if background is None:
            still = grid.expand(len(driving), -1, -1, -1)
        else:
            still = F.affine_grid(background[:, :2], [len(driving), 1, *sizes], align_corners=True)
        return torch.cat([still[:, None], splines(grid)], dim=1)


class DenseMotionNetwork(nn.Module):
    """Weighs the splines and the background at each pixel, and predicts at four sizes what the source does not show
    (docs/specs/tpsm.md 2.5)."""

    def __init__(self, num_tps: int, config: HourglassConfig) -> None:
        super().__init__()
        self.down = AntiAliasDownsample(3, config.scale_factor)
        self.hourglass = Hourglass(3 * (num_tps + 1) + POINTS * num_tps + 1, config, instance_norm)
        width = self.hourglass.out_features
        self.maps = nn.Conv2d(width, num_tps + 1, 7, padding=3)
        # Up blocks to full size, each halving the channels.
        widths = [width >> depth for depth in range(self.down.stride.bit_length())]
        self.up = up_blocks(widths, instance_norm)
        coarsest = 2 * config.widths[1]  # the hourglass's last output but one, with its skip
        self.occlusion = nn.ModuleList(nn.Conv2d(width, 1, 7, padding=3) for width in (coarsest, *widths))

    def forward(
        self, source: SourceMaps, keypoints: Tensor, background: Tensor | None = None, keep: Tensor | None = None
    ) -> MaskedFlow:
        """The flow for driving `keypoints` (B, K·5, 2) and the `background` of `sparse_motions`; `keep`: the motions
        that training does not drop, see `dropped_softmax`."""
        sizes = source.small.shape[2:]
        motions = sparse_motions(source.keypoints, keypoints, background, sizes)
        warped = sparse_warps(source.small, motions, align_corners=True)
        heatmap = gaussian_heatmap(keypoints, sizes) - source.heatmap
        heatmap = F.pad(heatmap, (0, 0, 0, 0, 1, 0))  # the background has no heatmap
        *_, coarse, fine = self.hourglass.scales(torch.cat([heatmap, warped.flatten(1, 2)], dim=1))
        logits = self.maps(fine).float()
        weights = logits.softmax(1) if keep is None else dropped_softmax(logits, keep)
        features = [coarse, fine]
        for up in self.up:
            features.append(up(features[-1]))
        masks = [layer(feature).float().sigmoid() for layer, feature in zip(self.occlusion, features, strict=True)]
        return MaskedFlow((weights[..., None] * motions).sum(1), tuple(masks))


def dropped_softmax(logits: Tensor, keep: Tensor) -> Tensor:
    """Softmax of (B, K+1, h, w) over the motions that `keep`, bool (B, K+1), lets through (docs/specs/tpsm.md 5.3).

    The maximum is that of all, so where the strongest motion is dropped the weights may add up to less than 1.
    """
    weights = (logits - logits.amax(1, keepdim=True)).exp() * keep[:, :, None, None]
    return weights / (weights.sum(1, keepdim=True) + 1e-6)


class InpaintingNetwork(nn.Module):
    """Warps and masks the source's feature maps, and decodes them to an image (docs/specs/tpsm.md 2.6)."""

    def __init__(self, config: TPSMConfig) -> None:
        super().__init__()
        widths = config.widths
        self.first = SameBlock(3, widths[0], 7, instance_norm)
        self.down_blocks = down_blocks(widths, instance_norm)
        self.up_blocks, self.resblock = skip_decoder(widths, instance_norm)
        self.final = nn.Conv2d(widths[0], 3, 7, padding=3)
        self.levels = tuple(config.levels) if config.memory else ()
        if config.memory:
            self.mbUnit = MemoryUnit(config.memory, config.levels, POINTS * config.num_tps)

    def encode(self, images: Tensor, keypoints: Tensor, small: Tensor) -> SourceMaps:
        """What rendering needs of the source `images` (B, 3, H, W), their keypoints and their `small` images."""
        heatmap = gaussian_heatmap(keypoints, small.shape[2:])
        return SourceMaps(images, self.maps(images), small, keypoints, heatmap)

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The encoder's maps of images (B, 3, H, W), full size first."""
        maps = [self.first(images)]
        for down in self.down_blocks:
            maps.append(down(maps[-1]))
        return tuple(maps)

    def forward(self, source: SourceMaps, flow: MaskedFlow, noise: tuple[Tensor, ...] | None = None) -> Generated:
        """Render `source` moved by `flow`; `noise`: one map (B or 1, 1, m, m) per memory level, None for none."""
        masks = flow.occlusion_maps
        # In half precision the flow would be off by half a pixel.
        images = [x.float() for x in (source.images, *source.maps)]
        deformed, *maps = [warp(x, flow.deformation, align_corners=True, resize_corners=True) for x in images]
        *skips, full = [features * mask for features, mask in zip(reversed(maps), masks, strict=True)]
        compensations = []
        for index, level in enumerate(self.levels):
            drawn = None if noise is None else noise[index]
            compensations.append(self.mbUnit(level, skips[index], source.keypoints, drawn))
            skips[index] = compensations[-1].output
        decoded = decode(skips, self.up_blocks, self.resblock)
        prediction = self.final(decoded * (1 - masks[-1]) + full).float().sigmoid()
        prediction = prediction * (1 - masks[-1]) + deformed * masks[-1]
        return Generated(prediction, deformed, tuple(compensations))
