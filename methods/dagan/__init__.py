"""DaGAN (CVPR 2022): first-order motion whose keypoints and features are informed by the face's depth."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.dagan.depth import DepthDecoder, DepthEncoder
from talkbench.methods.dagan.model import DaGANConfig, Generator, SourceMaps
from talkbench.methods.discriminator import Discriminator
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import KeypointDetector, Keypoints, relative_motion
from talkbench.methods.loading import load_networks
from talkbench.methods.warping import warp

DEFAULT = "vox-adv-256"
_GENERATORS = {DEFAULT: DaGANConfig(), "spade": DaGANConfig(spade=True)}
# The two released generators, each with either depth network (docs/specs/dagan.md 1.1). Last, a small one for 128×128
# images.
VARIANTS: dict[str, DaGANConfig] = {
    **_GENERATORS,
    **{f"{name}-depth50": replace(config, depth_layers=50) for name, config in _GENERATORS.items()},
    "demo": DaGANConfig(
        resolution=128,
        kp_detector=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        dense_motion=HourglassConfig(16, max_features=96, num_blocks=4, scale_factor=0.5),
        num_kp=10,
        block_expansion=20,
        max_features=80,
        depth_width=8,
        learned_depth=True,
    ),
}

DEPTH_FILES = {"depth_encoder": "encoder.pth", "depth_decoder": "depth.pth"}
# Where the authors publish the two files, by the depth network's layers (docs/specs/dagan.md 1.1).
DEPTH_SOURCES = {
    18: 'the folder depth_face_model, under the link "OneDrive" in the README of harlanhong/CVPR2022-DaGAN',
    50: "the folder depth_face_model_Voxceleb2_10w, linked in the news in the README of harlanhong/CVPR2022-DaGAN",
}


class DaGAN(Method[SourceMaps, Keypoints]):
    """DaGAN with either of its generators and either of its depth networks.

    Args:
        variant: a key of `VARIANTS`.
        weights: checkpoint (the authors' ``.pth.tar`` or our ``.safetensors``), None for fresh weights.
        depth: folder with the depth network's ``encoder.pth`` and ``depth.pth``, which are read unless the
            checkpoint holds that network too; None: the folder ``depth_resnet18`` or ``depth_resnet50`` beside the
            checkpoint.
        adapt_scale: relative motion is scaled by the ratio of the keypoints' hulls. Off by default as in the
            authors' YAML, which sets the protocol of the cross-identity tables; the README's command for
            a demo video has it on (docs/specs/dagan.md 4.3, 4.5).
    """

    packed = ("generator", "kp_detector", "depth_encoder", "depth_decoder")

    def __init__(
        self,
        variant: str = DEFAULT,
        weights: str | Path | None = None,
        depth: str | Path | None = None,
        adapt_scale: bool = False,
    ) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant dagan@{variant}: {nearest(variant, VARIANTS)}")
        if weights is None and depth is not None:
            raise TalkbenchError(f"depth={depth} belongs to a checkpoint of dagan@{variant}; give its path as weights")
        self.name = f"dagan@{variant}"
        self.config = VARIANTS[variant]
        self.resolution = self.config.resolution
        self.depth_encoder = DepthEncoder(self.config.depth_layers, self.config.depth_width)
        self.depth_decoder = DepthDecoder(self.config.depth_layers, self.config.depth_width)
        self.detector = KeypointDetector(self.config.num_kp, self.config.kp_detector, channels=4)
        self.generator = Generator(self.config)
        self.networks = {
            "generator": self.generator,
            "kp_detector": self.detector,
            "depth_encoder": self.depth_encoder,
            "depth_decoder": self.depth_decoder,
        }
        self.adapt_scale = adapt_scale
        self.settings = {"adapt_scale": adapt_scale}
        if weights is not None:
            path = Path(weights)
            self._load(path, Path(depth or path.parent / f"depth_resnet{self.config.depth_layers}"))
        for network in self.networks.values():
            network.eval()

    def _load(self, path: Path, folder: Path) -> None:
        """Load all networks; the depth network's come from `folder` unless the checkpoint at `path` has them."""
        files = {part: folder / name for part, name in DEPTH_FILES.items()}
        present = {part: file for part, file in files.items() if file.is_file()}
        checkpoint = load_networks(self.networks, path, self.name, optional=files, beside=present)
        for part, file in files.items():
            if part not in checkpoint.parts:
                source = DEPTH_SOURCES[self.config.depth_layers]
                raise TalkbenchError(
                    f"{file} does not exist: {self.name} needs the {file.name} of {source}; put it there, or name "
                    "its folder with --set depth=FOLDER"
                )
        digests = dict(checkpoint.sha256)
        self.checkpoint_sha256 = digests.pop("")
        self.settings |= {f"{part}_sha256": digest for part, digest in digests.items()}

    def discriminator(self) -> Discriminator:
        return Discriminator(self.config.num_kp)

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> SourceMaps:
        disparity = self._disparity(images)
        return self.generator.encode(images, disparity, self._keypoints(images, disparity))

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> Keypoints:
        return self._keypoints(images, self._disparity(images))

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
        deformed = warp(images, flow, align_corners=False, resize_corners=False)
        points = source.keypoints.value, motion.value
        return Inside(generated.prediction, *points, flow, deformed, generated.motion.occlusion_map)

    def _disparity(self, images: Tensor) -> Tensor:
        disparity: Tensor = self.depth_decoder(self.depth_encoder(images))
        return disparity

    def _keypoints(self, images: Tensor, disparity: Tensor) -> Keypoints:
        keypoints: Keypoints = self.detector(torch.cat([images, disparity], dim=1))
        return keypoints


registry.register("dagan")(partial(DaGAN, variant=DEFAULT))
for _variant in VARIANTS:
    registry.register(f"dagan@{_variant}")(partial(DaGAN, variant=_variant))
