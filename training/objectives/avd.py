"""The second stage of TPSM and of MRAA: the AVD network learns, on keypoints of the main model, to give the source's
shape to the driver's pose (docs/specs/tpsm.md 5.5, docs/specs/mraa.md 5.3)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from talkbench.methods.mraa import MRAA
from talkbench.methods.mraa.regions import Regions, disentangled_regions
from talkbench.methods.tpsm import TPSM
from talkbench.training.config import MAIN, LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.losses import keypoint_recovery
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw

SCALE = 0.25
"""How far from 1 the factors may be by which the driving frame's keypoints are stretched."""


class AVDObjective(Objective):
    """The network is to recover the driving frame's keypoints from the source's, and from the driving frame's stretched
    along both axes of the image. All other networks are frozen; validation moves as the network says."""

    stage = "avd"
    after = MAIN
    compares_images = False

    def __init__(self, method: Any, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        self.avd_network = method.avd_network
        method.avd = True

    def random(self, draw: Draw) -> Tensor:
        """The factors of both axes, (B, 2), uniform in [0.75, 1.25]."""
        return 1 + SCALE * (2 * draw.uniform(2) - 1)

    def terms(self, source: Tensor, driving: Tensor, random: Tensor) -> Losses:
        with torch.no_grad():
            keypoints = self.keypoints(torch.cat([source, driving]))
        with torch.autocast(source.device.type, enabled=False):  # coordinates need float32's precision
            return self.recover(keypoints, random)

    @abstractmethod
    def keypoints(self, images: Tensor) -> Any:
        """What the main model sees in source and driving frames (2B, 3, H, W)."""

    @abstractmethod
    def recover(self, keypoints: Any, factors: Tensor) -> Losses:
        """The terms."""


@registry.register("tpsm-avd")
class TPSMAVDObjective(AVDObjective):
    """On keypoints."""

    trains = TPSM
    frozen = ("inpainting_network", "kp_detector", "dense_motion_network", "bg_predictor")

    def keypoints(self, images: Tensor) -> Tensor:
        points: Tensor = self.networks["kp_detector"](images)
        return points

    def recover(self, keypoints: Tensor, factors: Tensor) -> Losses:
        source, driving = keypoints.chunk(2)
        stretched = driving * factors[:, None]
        recovered = self.avd_network(source.flatten(1), stretched.flatten(1))
        return {"keypoint_recovery": keypoint_recovery(driving, recovered.view_as(driving))}


@registry.register("mraa-avd")
class MRAAAVDObjective(AVDObjective):
    """On the centres and axes of regions, whose covariances play no part. The axes keep their signs."""

    trains = MRAA
    frozen = ("generator", "region_predictor", "bg_predictor")

    def keypoints(self, images: Tensor) -> Regions:
        regions: Regions = self.networks["region_predictor"](images)
        return regions

    def recover(self, keypoints: Regions, factors: Tensor) -> Losses:
        pairs = zip(keypoints.shift.chunk(2), keypoints.covar.chunk(2), keypoints.affine.chunk(2), strict=True)
        source, driving = (Regions(*parts) for parts in pairs)
        stretch = torch.diag_embed(factors)[:, None]
        stretched = Regions(driving.shift * factors[:, None], driving.covar, stretch @ driving.affine)
        recovered = disentangled_regions(self.avd_network, source, stretched)
        return {
            "keypoint_recovery": keypoint_recovery(driving.shift, recovered.shift),
            "affine_recovery": keypoint_recovery(driving.affine, recovered.affine),
        }
