"""MCNet (ICCV 2023): first-order motion with an identity-conditioned memory that restores what warping loses."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import send
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.discriminator import Discriminator
from talkbench.methods.keypoints import KeypointDetector, Keypoints, relative_motion
from talkbench.methods.loading import load_networks
from talkbench.methods.mcnet.ablations import ABLATIONS
from talkbench.methods.mcnet.memory import MemoryConfig, MemoryInside, MemoryMethod
from talkbench.methods.mcnet.model import Generator, MCNetConfig, SourceMaps

NOISES = ("zero", "random", "fixed")

# The paper's model, our reading of the one for Table 6 of its supplement, and the small one for 128×128 images.
SIZES = {
    "": MCNetConfig(),
    "ted-384": MCNetConfig(resolution=384),
    "demo": MCNetConfig(
        resolution=128,
        num_kp=10,
        kp_detector=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        dense_motion=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        block_expansion=12,
        max_features=96,
        memory=MemoryConfig(channels=32, side=16),
    ),
}
VARIANTS: dict[str, MCNetConfig] = {
    **SIZES,
    **{slug: change(SIZES[""]) for slug, change in ABLATIONS.items()},
    **{f"{slug}-demo": change(SIZES["demo"]) for slug, change in ABLATIONS.items()},
}


class MCNet(MemoryMethod[SourceMaps, Keypoints]):
    """MCNet and its ablation variants.

    Args:
        variant: a key of `VARIANTS` ("": the paper's model), or the registered name and configuration of another one.
        weights: checkpoint (the authors' ``.pth.tar`` or our ``.safetensors``), None for fresh weights.
        noise: noise of the style convolution. ``zero``: none; ``random``: drawn anew for every frame, as in the
            authors' code; ``fixed``: one map per level for all frames.
        seed: seed of that noise. A frame's random noise is a function of the seed and its keypoints, so that
            results depend neither on the batch nor on what was rendered before.
        adapt_scale: relative motion is scaled by the ratio of the keypoints' hulls (the authors'
            ``--adapt_scale``, which their README command sets).
    """

    def __init__(
        self,
        variant: str | tuple[str, MCNetConfig] = "",
        weights: str | Path | None = None,
        noise: str = "zero",
        seed: int = 0,
        adapt_scale: bool = True,
    ) -> None:
        if isinstance(variant, str):
            if variant not in VARIANTS:
                raise TalkbenchError(f"unknown variant mcnet@{variant}: {nearest(variant, filter(None, VARIANTS))}")
            variant = (_name(variant), VARIANTS[variant])
        if noise not in NOISES:
            raise TalkbenchError(f"unknown noise {noise!r}: {nearest(noise, NOISES)}")
        self.name, self.config = variant
        self.resolution = self.config.resolution
        self.detector = KeypointDetector(self.config.num_kp, self.config.kp_detector)
        self.generator = Generator(self.config)
        self.networks = {"kp_detector": self.detector, "generator": self.generator}
        if weights is not None:
            self.checkpoint_sha256 = load_networks(self.networks, Path(weights), self.name).sha256[""]
        for network in self.networks.values():
            network.eval()
        self.noise, self.seed, self.adapt_scale = noise, seed, adapt_scale
        self.settings = {"noise": noise, "noise_seed": seed, "adapt_scale": adapt_scale}

    def discriminator(self) -> Discriminator:
        """In the authors' files, though the paper's model was never trained against it (docs/specs/mcnet.md 2.5)."""
        return Discriminator(self.config.num_kp)

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
        prediction: Tensor = self.generator(source, motion, self._noise(motion)).prediction
        return prediction

    @torch.no_grad()
    def inspect(self, images: Tensor, source: SourceMaps, motion: Keypoints) -> MemoryInside:
        generated = self.generator(source, motion, self._noise(motion))
        return MemoryInside(
            generated.prediction,
            source.keypoints.value,
            motion.value,
            generated.motion.deformation,
            generated.deformed,
            generated.motion.occlusion_map,
            compensations=dict(zip(self.config.levels, generated.compensations, strict=True)),
        )

    def memory(self) -> Tensor | None:
        return self.generator.mbUnit.mb if self.config.memory else None

    def _noise(self, motion: Keypoints) -> tuple[Tensor, ...] | None:
        memory = self.config.memory
        if self.noise == "zero" or memory is None or not memory.conditioned:
            return None
        seeds = [self.seed]
        if self.noise == "random":
            seeds = [self.seed + zlib.crc32(frame.numpy().tobytes()) for frame in motion.value.float().cpu()]
        shape = (len(self.config.levels), 1, memory.side, memory.side)
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return tuple(send(torch.stack(drawn, dim=1), motion.value.device))


def _name(variant: str) -> str:
    return f"mcnet@{variant}" if variant else "mcnet"


for _variant in VARIANTS:
    registry.register(_name(_variant), listed=not _variant.endswith("-demo"))(partial(MCNet, variant=_variant))
for _size, _model in {"": "mcnet", "-demo": "mcnet@demo"}.items():
    for _row in ("full", "memory32"):
        registry.alias(f"mcnet@{_row}{_size}", _model, listed=not _size)
