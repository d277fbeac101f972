"""TPSM (CVPR 2022): thin-plate splines between groups of keypoints, and occlusion masks at every size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.avd import AVDNetwork
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.checkpoints import read_states
from talkbench.methods.interface import MOTIONS, Batch
from talkbench.methods.keypoints import relative_values
from talkbench.methods.loading import load_networks
from talkbench.methods.mcnet.memory import MemoryConfig, MemoryInside, MemoryMethod
from talkbench.methods.tpsm.model import (
    POINTS,
    BackgroundPredictor,
    DenseMotionNetwork,
    InpaintingNetwork,
    KeypointDetector,
    MaskedFlow,
    SourceMaps,
    TPSMConfig,
)

DEFAULT = "vox-256"
DEMO = TPSMConfig(
    resolution=128,
    resnet_width=11,
    dense_motion=HourglassConfig(12, max_features=48, num_blocks=4),
    block_expansion=12,
    max_features=96,
)
# The released models have equal keys and shapes, and Taichi's equal sizes too; "memory" is the paper's
# "TPSM + IICM + MCM" (docs/specs/mcnet.md 8.2). Both are there at a small size too, for 128×128 images.
VARIANTS: dict[str, TPSMConfig] = {
    DEFAULT: TPSMConfig(),
    "taichi-256": TPSMConfig(),
    "ted-384": TPSMConfig(resolution=384),
    "memory": TPSMConfig(memory=MemoryConfig()),
    "demo": DEMO,
    "demo-memory": replace(DEMO, memory=MemoryConfig(channels=32, side=16)),
}
AVD_BOTTLENECK = 128
FIRST_BOTTLENECK = 64


@dataclass(frozen=True)
class KeypointMotion(Batch):
    """`keypoints` (B, K·5, 2) to render; `images` (B, 3, H, W): the driving frames, None unless the background is
    predicted."""

    keypoints: Tensor
    images: Tensor | None


class TPSM(MemoryMethod[SourceMaps, KeypointMotion]):
    """TPSM in its released configurations, and with MCNet's memory.

    Relative motion is always scaled by the ratio of the keypoints' hulls.

    Args:
        variant: a key of `VARIANTS`.
        weights: checkpoint (the authors' ``.pth.tar`` or our ``.safetensors``), None for fresh weights.
        avd: absolute motion goes through the AVD network, which keeps the source's shape.
        background: the background moves as a network predicts from source and driving frame, as the authors do for
            the reconstruction of a video; in animation they leave the background still. If the checkpoint lacks that
            network, the background stands still.
    """

    motions = MOTIONS
    optional = ("bg_predictor", "avd_network")

    def __init__(
        self,
        variant: str = DEFAULT,
        weights: str | Path | None = None,
        avd: bool = False,
        background: bool = False,
    ) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant tpsm@{variant}: {nearest(variant, VARIANTS)}")
        self.name = f"tpsm@{variant}"
        self.config = config = VARIANTS[variant]
        self.resolution = config.resolution
        self.inpainting_network = InpaintingNetwork(config)
        self.kp_detector = KeypointDetector(config.num_tps, config.resnet_width)
        self.dense_motion_network = DenseMotionNetwork(config.num_tps, config.dense_motion)
        self.bg_predictor = BackgroundPredictor(config.resnet_width)
        bottleneck = AVD_BOTTLENECK if weights is None else _avd_bottleneck(Path(weights), self.name)
        self.avd_network = AVDNetwork(2 * POINTS * config.num_tps, bottleneck)
        names = ("inpainting_network", "kp_detector", "dense_motion_network", "bg_predictor", "avd_network")
        self.networks = {name: getattr(self, name) for name in names}
        if weights is not None:
            checkpoint = load_networks(self.networks, Path(weights), self.name, self.optional)
            self.checkpoint_sha256 = checkpoint.sha256[""]
            if avd and "avd_network" not in checkpoint.parts:
                raise TalkbenchError(f"{weights} has no avd_network: leave avd out, or name a checkpoint that has one")
        for network in self.networks.values():
            network.eval()
        self.avd, self.background = avd, background
        self.settings = {"avd": avd, "background": background}

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> SourceMaps:
        keypoints = self.kp_detector(images)
        source = self.inpainting_network.encode(images, keypoints, self.dense_motion_network.down(images))
        if not self.avd:
            return source
        with torch.autocast(images.device.type, enabled=False):
            return replace(source, identity=self.avd_network.id_encoder(keypoints.flatten(1)))

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> KeypointMotion:
        return KeypointMotion(self.kp_detector(images), images if self.background else None)

    @torch.no_grad()
    def transfer(self, source: SourceMaps, driving: KeypointMotion, reference: KeypointMotion | None) -> KeypointMotion:
        if reference is not None and self.avd:
            raise TalkbenchError(f"{self.name} with avd=True moves absolutely; leave avd out for relative motion")
        if reference is not None:
            points = relative_values(source.keypoints, driving.keypoints, reference.keypoints, adapt_scale=True)
            return replace(driving, keypoints=points)
        if source.identity is None:
            return driving
        with torch.autocast(driving.keypoints.device.type, enabled=False):
            points = self.avd_network.combine(source.identity, driving.keypoints.flatten(1))
        return replace(driving, keypoints=points.view_as(driving.keypoints))

    @torch.no_grad()
    def render(self, source: SourceMaps, motion: KeypointMotion) -> Tensor:
        prediction: Tensor = self.inpainting_network(source, self._flow(source, motion)).prediction
        return prediction

    @torch.no_grad()
    def inspect(self, images: Tensor, source: SourceMaps, motion: KeypointMotion) -> MemoryInside:
        flow = self._flow(source, motion)
        generated = self.inpainting_network(source, flow)
        return MemoryInside(
            generated.prediction,
            source.keypoints,
            motion.keypoints,
            flow.deformation,
            generated.deformed,
            flow.occlusion_maps[-1],
            compensations=dict(zip(self.inpainting_network.levels, generated.compensations, strict=True)),
        )

    def memory(self) -> Tensor | None:
        return self.inpainting_network.mbUnit.mb if self.config.memory else None

    def _flow(self, source: SourceMaps, motion: KeypointMotion) -> MaskedFlow:
        background = None if motion.images is None else self.bg_predictor(source.images, motion.images)
        flow: MaskedFlow = self.dense_motion_network(source, motion.keypoints, background)
        return flow


def _avd_bottleneck(path: Path, name: str) -> int:
    """The bottleneck of a checkpoint's AVD network, which was 64 in the authors' first public code
    (docs/specs/tpsm.md 6); any other size does not fit and is refused on loading."""
    last = read_states(path, name).get("avd_network", {}).get("id_encoder.9.weight")
    return FIRST_BOTTLENECK if last is not None and last.shape[:1] == (FIRST_BOTTLENECK,) else AVD_BOTTLENECK


registry.register("tpsm")(partial(TPSM, variant=DEFAULT))
for _variant in VARIANTS:
    registry.register(f"tpsm@{_variant}")(partial(TPSM, variant=_variant))
registry.alias("mcnet@tpsm_backbone", "tpsm@memory")
for _name in ("tpsm@memory-demo", "mcnet@tpsm_backbone-demo"):
    registry.alias(_name, "tpsm@demo-memory", listed=False)
