"""MRAA (CVPR 2021): regions with principal axes instead of keypoints, a background of its own, and shape kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.avd import AVDNetwork
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.inside import Inside
from talkbench.methods.interface import MOTIONS, Batch, Method
from talkbench.methods.loading import load_networks
from talkbench.methods.mraa.model import BackgroundPredictor, Generated, Generator, MRAAConfig, SourceMaps
from talkbench.methods.mraa.regions import RegionPredictor, Regions, disentangled_regions, relative_regions

DEFAULT = "vox256"
# The first three have equal keys and shapes; only the name tells which padding a checkpoint needs
# (docs/specs/mraa.md 2.1).
VARIANTS: dict[str, MRAAConfig] = {
    DEFAULT: MRAAConfig(),
    "taichi256": MRAAConfig(region_padding=0),
    "ted384": MRAAConfig(region_padding=0, resolution=384),
    "ted-youtube384": MRAAConfig(region_padding=0, resolution=384, num_regions=20),
    "demo": MRAAConfig(
        resolution=128,
        region_predictor=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        background_predictor=HourglassConfig(16, max_features=96, num_blocks=4),
        flow_predictor=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        block_expansion=20,
        max_features=80,
    ),
}


@dataclass(frozen=True)
class RegionMotion(Batch):
    """The regions to render; `images` (B, 3, H, W): the driving frames, None unless the background is predicted."""

    regions: Regions
    images: Tensor | None


class MRAA(Method[SourceMaps, RegionMotion]):
    """MRAA in its released configurations.

    Args:
        variant: a key of `VARIANTS`.
        weights: checkpoint (the authors' ``.pth`` or our ``.safetensors``), None for fresh weights.
        avd: absolute motion goes through the AVD network, which keeps the source's shape (the authors' default
            for animation; they promote it for bodies).
        background: the background moves as a network predicts from source and driving frame, as the authors do for
            the reconstruction of a video; in animation they leave the background still.
    """

    packed = ("generator",)
    plain = ("region_predictor",)
    motions = MOTIONS
    optional = ("avd_network",)  # it exists only after the second of the authors' two stages of training

    def __init__(
        self,
        variant: str = DEFAULT,
        weights: str | Path | None = None,
        avd: bool = False,
        background: bool = False,
    ) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant mraa@{variant}: {nearest(variant, VARIANTS)}")
        self.name = f"mraa@{variant}"
        self.config = config = VARIANTS[variant]
        self.resolution = config.resolution
        self.generator = Generator(config)
        self.region_predictor = RegionPredictor(config.num_regions, config.region_padding, config.region_predictor)
        self.background_predictor = BackgroundPredictor(config.background_predictor)
        self.avd_network = AVDNetwork(6 * config.num_regions, config.avd_bottleneck)
        self.networks = {
            "generator": self.generator,
            "region_predictor": self.region_predictor,
            "bg_predictor": self.background_predictor,
            "avd_network": self.avd_network,
        }
        if weights is not None:
            checkpoint = load_networks(self.networks, Path(weights), self.name, self.optional)
            self.checkpoint_sha256 = checkpoint.sha256[""]
            if avd and "avd_network" not in checkpoint.parts:
                raise TalkbenchError(
                    f"{weights} has no avd_network, which avd=True needs; leave avd out, or name another"
                )
        for network in self.networks.values():
            network.eval()
        self.avd, self.background = avd, background
        self.settings = {"avd": avd, "background": background}

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> SourceMaps:
        # The region predictor and the flow predictor shrink with the same constant kernel.
        small = self.region_predictor.down(images)
        return self.generator.encode(images, self.region_predictor.detect(small), small)

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> RegionMotion:
        return RegionMotion(self.region_predictor(images), images if self.background else None)

    @torch.no_grad()
    def transfer(self, source: SourceMaps, driving: RegionMotion, reference: RegionMotion | None) -> RegionMotion:
        if reference is not None and self.avd:
            raise TalkbenchError(f"{self.name} with avd=True moves absolutely; leave avd out for relative motion")
        # Coordinates and 2x2 inverses need float32's precision.
        with torch.autocast(driving.regions.shift.device.type, enabled=False):
            if reference is not None:
                regions = relative_regions(source.regions, driving.regions, reference.regions)
            elif self.avd:
                regions = disentangled_regions(self.avd_network, source.regions, driving.regions)
            else:
                return driving
        return RegionMotion(regions, driving.images)

    @torch.no_grad()
    def render(self, source: SourceMaps, motion: RegionMotion) -> Tensor:
        return self._generate(source, motion).prediction

    @torch.no_grad()
    def inspect(self, images: Tensor, source: SourceMaps, motion: RegionMotion) -> Inside:
        generated = self._generate(source, motion)
        centres = source.regions.shift, motion.regions.shift
        flow = generated.motion
        return Inside(generated.prediction, *centres, flow.deformation, generated.deformed, flow.occlusion_map)

    def _generate(self, source: SourceMaps, motion: RegionMotion) -> Generated:
        background = None if motion.images is None else self.background_predictor(source.image, motion.images)
        generated: Generated = self.generator(source, motion.regions, background)
        return generated


registry.register("mraa")(partial(MRAA, variant=DEFAULT))
for _variant in VARIANTS:
    registry.register(f"mraa@{_variant}")(partial(MRAA, variant=_variant))
