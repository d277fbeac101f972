"""LivePortrait (2024): face-vid2vid's volumes under keypoints of its own, with stitching and retargeting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Method
from talkbench.methods.keypoints import gaussian_heatmap
from talkbench.methods.liveportrait.files import load_files
from talkbench.methods.liveportrait.model import (
    UPSCALE,
    AppearanceFeatureExtractor,
    LivePortraitConfig,
    Portrait,
    SPADEGenerator,
    WarpingModule,
)
from talkbench.methods.liveportrait.motion import Head, MotionExtractor
from talkbench.methods.liveportrait.retargeting import (
    CLOSED,
    LANDMARKS,
    openness,
    retargeting_networks,
    retargeting_shift,
    stitching_shift,
)
from talkbench.methods.liveportrait.transfer import Region, absolute_motion, relative_motion

VARIANTS: dict[str, LivePortraitConfig] = {"": LivePortraitConfig()}

Form = Literal["driver", "pipeline"]
Output = Literal["area-256", "native-512"]
Retarget = Literal["none", "eyes", "lips", "eyes-lips", "close-lips"]
USED = {"eyes": ("retarget_eye",), "lips": ("retarget_mouth",), "eyes-lips": ("retarget_eye", "retarget_mouth")}
"""The networks that retargeting needs."""


class LivePortrait(Method[Portrait, Head]):
    """LivePortrait as released, for inputs that are face crops already: without cropping and without pasting back.

    Args:
        variant: a key of `VARIANTS`.
        weights: ``spade_generator.pth`` with the authors' other files where they lie in their folders or beside it, or
            our ``.safetensors`` of them all; None for fresh weights.
        form: of absolute motion: ``driver``, every parameter the driver's, as in training; or ``pipeline``, the
            authors' command line, which keeps the source's scale and part of its expression
            (docs/specs/liveportrait.md 5.8).
        region: what moves; other than ``all`` only in the form ``pipeline``.
        stitching: correct the keypoints so that shoulders and border stay where they are.
        output: ``area-256``, the mean of 2×2 pixels of the decoder's image; ``native-512``, that image as it is, of
            inputs of that size, which are shrunk for the networks. The two are never to be compared.
        multiplier: of the keypoints' way from the source, at the very end.
        retarget: what `landmarks` direct: eyes or lips, or both, which in relative motion replace all other motion; or
            ``close-lips``, which closes the source's lips first, in relative motion only.
        landmarks: images (B, 3, H, W) → the authors' 203 landmarks (B, 203, 2) in pixels. talkbench has no model for
            them.
    """

    optional = ("retarget_shoulder", "retarget_mouth", "retarget_eye")

    def __init__(
        self,
        variant: str = "",
        weights: str | Path | None = None,
        form: Form = "driver",
        region: Region = "all",
        stitching: bool = False,
        output: Output = "area-256",
        multiplier: float = 1.0,
        retarget: Retarget = "none",
        landmarks: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant liveportrait@{variant}: {nearest(variant, VARIANTS)}")
        self.name = f"liveportrait@{variant}" if variant else "liveportrait"
        self.form, self.region, self.stitching, self.output = form, region, stitching, output
        self.multiplier, self.retarget, self.landmarks = multiplier, retarget, landmarks
        self._check_settings()
        self.config = config = VARIANTS[variant]
        self.resolution = config.resolution * (UPSCALE if output == "native-512" else 1)
        self.appearance = AppearanceFeatureExtractor(config)
        self.extractor = MotionExtractor(config.motion_widths, config.motion_depths)
        self.warping = WarpingModule(config)
        self.generator = SPADEGenerator(config)
        self.networks = {
            "appearance_feature_extractor": self.appearance,
            "motion_extractor": self.extractor,
            "warping_module": self.warping,
            "spade_generator": self.generator,
            **retargeting_networks(),
        }
        names = ("form", "region", "stitching", "output", "multiplier", "retarget")
        self.settings = {name: getattr(self, name) for name in names}
        if landmarks is not None:
            self.settings["landmarks"] = getattr(landmarks, "__qualname__", type(landmarks).__qualname__)
        if weights is not None:
            self._load(Path(weights))
        for network in self.networks.values():
            network.eval()

    def _check_settings(self) -> None:
        for name, choices in {"form": Form, "region": Region, "output": Output, "retarget": Retarget}.items():
            if (value := getattr(self, name)) not in get_args(choices):
                raise TalkbenchError(
                    f"unknown {name}={value} of liveportrait: {nearest(str(value), get_args(choices))}"
                )
        if self.region != "all" and self.form == "driver":
            raise TalkbenchError(f"region={self.region} needs form=pipeline: in the form driver everything moves")
        if not (isinstance(self.multiplier, int | float) and math.isfinite(self.multiplier)):
            raise TalkbenchError(f"multiplier={self.multiplier!r} of liveportrait is no number")
        if (self.retarget == "none") != (self.landmarks is None):
            needs = "landmarks=, a function of Python that gives an image's 203 landmarks, which talkbench cannot find"
            wanted = needs if self.landmarks is None else "to be something else: landmarks direct what it names"
            raise TalkbenchError(f"retarget={self.retarget} of liveportrait needs {wanted}")

    def _load(self, path: Path) -> None:
        used = (["retarget_shoulder"] if self.stitching else []) + list(USED.get(self.retarget, ()))
        if self.retarget == "close-lips":
            used.append("retarget_mouth")
        digests = load_files(self.networks, path, self.optional, used)
        self.checkpoint_sha256 = digests.pop("")
        self.settings |= {f"{name}_sha256": digest for name, digest in digests.items()}

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> Portrait:
        small = self._shrunk(images)
        canonical, head = self.extractor(small)
        head = self._with_openness(head, images)
        volume = self.appearance(small)
        compressed = self.warping.dense_motion_network.encode(volume)
        keypoints = head.keypoints(canonical)
        heatmap = gaussian_heatmap(keypoints, volume.shape[2:])
        # Float32, since sampling rounds the flow to the volume's precision: by half a voxel in half precision.
        return Portrait(keypoints, heatmap, volume.float(), compressed.float(), canonical, head)

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> Head:
        _, head = self.extractor(self._shrunk(images))
        return self._with_openness(head, images)

    @torch.no_grad()
    def transfer(self, source: Portrait, driving: Head, reference: Head | None) -> Head:
        if reference is not None:
            moved = relative_motion(source.head, driving, reference, self.region)
        elif self.retarget == "close-lips":
            raise TalkbenchError("retarget=close-lips of liveportrait is for relative motion; leave it out")
        elif self.form == "pipeline":
            moved = absolute_motion(source.head, driving, self.region)
        else:
            moved = driving
        if self.retarget not in ("none", "close-lips"):
            # In relative motion the networks move the source, and nothing else does.
            moved = moved if reference is None else source.head
            moved = moved.shifted(self._retargeted(source, driving))
        if self.stitching:
            network, driven = self.networks["retarget_shoulder"], moved.keypoints(source.canonical)
            moved = moved.shifted(stitching_shift(network, source.keypoints, driven))
        if self.retarget == "close-lips":
            moved = moved.shifted(self._closed_lips(source))
        if self.multiplier != 1:
            way = moved.keypoints(source.canonical) - source.keypoints
            moved = moved.shifted((self.multiplier - 1) * way)
        return moved

    @torch.no_grad()
    def render(self, source: Portrait, motion: Head) -> Tensor:
        features, _, _ = self.warping(source, motion.keypoints(source.canonical))
        return self._decode(features)

    @torch.no_grad()
    def inspect(self, images: Tensor, source: Portrait, motion: Head) -> Inside:
        """Points and flow are seen from the front, the flow as its mean over the depth."""
        driving = motion.keypoints(source.canonical)
        features, flow, occlusion = self.warping(source, driving)
        points = source.keypoints[..., :2], driving[..., :2]
        return Inside(self._decode(features), *points, flow[..., :2].mean(1), occlusion=occlusion)

    def _decode(self, features: Tensor) -> Tensor:
        image: Tensor = self.generator(features).float().sigmoid()
        return F.avg_pool2d(image, UPSCALE) if self.output == "area-256" else image

    def _shrunk(self, images: Tensor) -> Tensor:
        """The images at the size that the networks work at; those of twice the size by the mean of 2×2 pixels.

        Raises:
            TalkbenchError: they have another size.
        """
        side = self.config.resolution
        if images.shape[2:] == (side, side):
            return images
        if images.shape[2:] == (2 * side, 2 * side):
            return F.avg_pool2d(images, 2)
        height, width = images.shape[2:]
        raise TalkbenchError(
            f"{self.name} takes images of {side} or {2 * side} pixels, not {width}x{height}; resize them"
        )

    def _with_openness(self, head: Head, images: Tensor) -> Head:
        if self.landmarks is None:
            return head
        points = self.landmarks(images)
        if points.shape != (len(images), LANDMARKS, 2):
            raise TalkbenchError(f"landmarks gives the shape {tuple(points.shape)}, not (B, {LANDMARKS}, 2)")
        return replace(head, openness=openness(points.to(head.scale)))

    def _retargeted(self, source: Portrait, driving: Head) -> Tensor:
        assert source.head.openness is not None
        assert driving.openness is not None
        left, right, lips = source.head.openness.unbind(1)
        wanted_eye, _, wanted_lips = driving.openness.unbind(1)  # the authors' code asks for the left eye's alone
        ratios = {"retarget_eye": (left, right, wanted_eye), "retarget_mouth": (lips, wanted_lips)}
        shifts = [
            retargeting_shift(self.networks[name], source.keypoints, ratios[name]) for name in USED[self.retarget]
        ]
        return torch.stack(shifts).sum(0)

    def _closed_lips(self, source: Portrait) -> Tensor:
        assert source.head.openness is not None
        lips = source.head.openness[:, 2]
        shift = retargeting_shift(self.networks["retarget_mouth"], source.keypoints, (lips, torch.zeros_like(lips)))
        return torch.where((lips >= CLOSED)[:, None, None], shift, 0)


registry.register("liveportrait")(partial(LivePortrait, variant=""))
