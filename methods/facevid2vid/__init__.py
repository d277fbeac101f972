"""face-vid2vid (CVPR 2021): 3-D keypoints of a canonical head, rotated, moved and deformed by the driver's."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.discriminator import Discriminator
from talkbench.methods.facevid2vid.head import Head, HeadEstimator
from talkbench.methods.facevid2vid.model import CanonicalKeypointDetector, FaceVid2VidConfig, Generator, SourceVolume
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import hull_scale
from talkbench.methods.loading import load_networks

DEFAULT = "vox-256"
VARIANTS: dict[str, FaceVid2VidConfig] = {
    DEFAULT: FaceVid2VidConfig(),
    "vox-256-beta": FaceVid2VidConfig(
        kp_detector=HourglassConfig(32, scale_factor=1), spade=False, legacy_3d_blocks=True, legacy_rotation=True
    ),
    "vox-256-original": FaceVid2VidConfig(spade=False),
    # A decoder of SPADE blocks would alone have more than the two million values of the other small models.
    "demo": FaceVid2VidConfig(
        resolution=128,
        num_kp=10,
        depth=8,
        kp_detector=HourglassConfig(8, max_features=64, num_blocks=3),
        dense_motion=HourglassConfig(8, max_features=64, num_blocks=3),
        volume_channels=8,
        head_expansion=10,
        block_expansion=16,
        num_resblocks=3,
        spade=False,
    ),
}


class FaceVid2Vid(Method[SourceVolume, Head]):
    """face-vid2vid as an unofficial repository implemented and trained it.

    `encode_motion` estimates a head from a frame; `render` moves the source's canonical keypoints by that head.

    Args:
        variant: a key of `VARIANTS`.
        weights: checkpoint (the repository's ``.pth.tar`` or our ``.safetensors``), None for fresh weights.
        adapt_scale: relative motion is scaled by √(hull of the source's keypoints / hull of the reference's), the
            hulls being volumes (the repository's ``--adapt_scale``, which its README command sets).
        yaw, pitch, roll: free view: angles in degrees that replace the driving head's, in every frame but the
            reference. So with relative motion they are not the angles of the result
            (docs/specs/facevid2vid.md 4, point 6).
    """

    def __init__(
        self,
        variant: str = DEFAULT,
        weights: str | Path | None = None,
        adapt_scale: bool = True,
        yaw: float | None = None,
        pitch: float | None = None,
        roll: float | None = None,
    ) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant facevid2vid@{variant}: {nearest(variant, VARIANTS)}")
        self.view = {"yaw": yaw, "pitch": pitch, "roll": roll}
        for name, angle in self.view.items():
            if angle is not None and not (isinstance(angle, int | float) and math.isfinite(angle)):
                raise TalkbenchError(f"{name}={angle!r} of facevid2vid is no angle; give a number of degrees")
        self.name = f"facevid2vid@{variant}"
        self.config = VARIANTS[variant]
        self.resolution = self.config.resolution
        self.generator = Generator(self.config)
        self.detector = CanonicalKeypointDetector(self.config)
        self.estimator = HeadEstimator(self.config.num_kp, self.config.head_expansion, self.config.legacy_rotation)
        self.networks = {"generator": self.generator, "kp_detector": self.detector, "he_estimator": self.estimator}
        if weights is not None:
            self.checkpoint_sha256 = load_networks(self.networks, Path(weights), self.name).sha256[""]
        for network in self.networks.values():
            network.eval()
        self.adapt_scale = adapt_scale
        self.settings = {"adapt_scale": adapt_scale, **self.view}

    def discriminator(self) -> Discriminator:
        return Discriminator(spectral=True)

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> SourceVolume:
        return self.generator.encode(images, self.detector(images), self.estimator(images))

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> Head:
        head: Head = self.estimator(images)
        return head

    @torch.no_grad()
    def transfer(self, source: SourceVolume, driving: Head, reference: Head | None) -> Head:
        if any(angle is not None for angle in self.view.values()):
            driving = driving.turned(**self.view, legacy=self.config.legacy_rotation)
        if reference is None:
            return driving
        scale = torch.ones_like(source.keypoints[:, 0, 0])
        if self.adapt_scale:
            scale = hull_scale(source.keypoints, reference.keypoints(source.canonical))
        return source.head.relative(driving, reference, scale)

    @torch.no_grad()
    def render(self, source: SourceVolume, motion: Head) -> Tensor:
        prediction: Tensor = self.generator(source, motion.keypoints(source.canonical))
        return prediction

    @torch.no_grad()
    def inspect(self, images: Tensor, source: SourceVolume, motion: Head) -> Inside:
        """Points and flow are seen from the front, the flow as its mean over the depth."""
        driving = motion.keypoints(source.canonical)
        flow, occlusion = self.generator.dense_motion_network(source, driving)
        return Inside(
            self.generator(source, driving),
            source.keypoints[..., :2],
            driving[..., :2],
            flow[..., :2].mean(1),
            occlusion=occlusion,
        )


registry.register("facevid2vid")(partial(FaceVid2Vid, variant=DEFAULT))
for _variant in VARIANTS:
    registry.register(f"facevid2vid@{_variant}")(partial(FaceVid2Vid, variant=_variant))
