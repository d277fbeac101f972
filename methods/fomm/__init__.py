"""FOMM (NeurIPS 2019): keypoints with local affine maps, which are combined to a dense flow."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.discriminator import Discriminator
from talkbench.methods.fomm.memory import CONFIGS
from talkbench.methods.fomm.model import FOMMConfig, Generator, SourceMaps
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import KeypointDetector, Keypoints, relative_motion
from talkbench.methods.loading import load_networks
from talkbench.methods.mcnet import MCNet
from talkbench.methods.warping import warp

DEFAULT = "vox-256"
# All released configurations are one architecture; what differs is the training (docs/specs/fomm.md 2, 5.1), and what
# the discriminator sees and how it is normalised, which tells their files apart. Last, a small one for 128×128 images.
VARIANTS: dict[str, FOMMConfig] = {
    DEFAULT: FOMMConfig(spectral_discriminator=True),
    "vox-adv": FOMMConfig(conditional_discriminator=True),
    "taichi": FOMMConfig(),
    "taichi-adv": FOMMConfig(conditional_discriminator=True),
    "demo": FOMMConfig(
        resolution=128,
        kp_detector=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        dense_motion=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        block_expansion=22,
        max_features=88,
    ),
}


class FOMM(Method[SourceMaps, Keypoints]):
    """FOMM in its released configurations.

    Args:
        variant: a key of `VARIANTS`.
        weights: checkpoint (the authors' ``.pth.tar`` or our ``.safetensors``), None for fresh weights.
        align_corners: for every ``grid_sample``. True is what torch 1.0 did, with which the released weights
            were trained and the paper's numbers computed. On torch 1.3 and later the authors' code computes False,
            and most likely so did the FOMM rows in later papers (docs/specs/fomm.md 1.2).
        adapt_scale: relative motion is scaled by the ratio of the keypoints' hulls (the authors'
            ``--adapt_scale``, which their README command sets).
    """

    packed = ("generator", "kp_detector")

    def __init__(
        self,
        variant: str = DEFAULT,
        weights: str | Path | None = None,
        align_corners: bool = True,
        adapt_scale: bool = True,
    ) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant fomm@{variant}: {nearest(variant, VARIANTS)}")
        self.name = f"fomm@{variant}"
        self.config = VARIANTS[variant]
        self.resolution = self.config.resolution
        self.detector = KeypointDetector(self.config.num_kp, self.config.kp_detector)
        self.generator = Generator(self.config, align_corners)
        self.networks = {"generator": self.generator, "kp_detector": self.detector}
        if weights is not None:
            self.checkpoint_sha256 = load_networks(self.networks, Path(weights), self.name).sha256[""]
        for network in self.networks.values():
            network.eval()
        self.adapt_scale = adapt_scale
        self.settings = {"align_corners": align_corners, "adapt_scale": adapt_scale}

    def discriminator(self) -> Discriminator:
        num_kp = self.config.num_kp if self.config.conditional_discriminator else 0
        return Discriminator(num_kp, self.config.spectral_discriminator)

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> SourceMaps:
        # The detector and the dense motion network shrink with the same constant kernel.
        small = self.detector.down(images)
        return self.generator.encode(images, self.detector.detect(small), small)

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> Keypoints:
        keypoints: Keypoints = self.detector(images)
        return keypoints

    @torch.no_grad()
    def transfer(self, source: SourceMaps, driving: Keypoints, reference: Keypoints | None) -> Keypoints:
        if reference is None:
            return driving
        return relative_motion(source.keypoints, driving, reference, self.adapt_scale)

    @torch.no_grad()
    def render(self, source: SourceMaps, motion: Keypoints) -> Tensor:
        prediction: Tensor = self.generator(source, motion).prediction
        return prediction

    @torch.no_grad()
    def inspect(self, images: Tensor, source: SourceMaps, motion: Keypoints) -> Inside:
        generated = self.generator(source, motion)
        flow = generated.motion.deformation
        deformed = warp(images, flow, self.generator.align_corners, resize_corners=False)
        points = source.keypoints.value, motion.value
        return Inside(generated.prediction, *points, flow, deformed, generated.motion.occlusion_map)


registry.register("fomm")(partial(FOMM, variant=DEFAULT))
for _variant in VARIANTS:
    registry.register(f"fomm@{_variant}")(partial(FOMM, variant=_variant))
for _name, _config in CONFIGS.items():
    registry.register(_name)(partial(MCNet, variant=(_name, _config)))
registry.alias("mcnet@fomm_backbone", "fomm@memory")
for _name in ("fomm@memory-demo", "mcnet@fomm_backbone-demo"):
    registry.alias(_name, "fomm@demo-memory", listed=False)
