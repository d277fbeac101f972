"""TPSM's objective, with its schedules of dropout and background, and MCNet's consistency where it has the memory
(docs/specs/tpsm.md 5, docs/specs/mcnet.md 8.2)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from talkbench.methods.tpsm import TPSM
from talkbench.training.config import LossWeights
from talkbench.training.objectives import registry
from talkbench.training.objectives.losses import (
    background_consistency,
    consistency,
    equivariance_value,
    warp_consistency,
)
from talkbench.training.objectives.norms import set_parts
from talkbench.training.objectives.objective import Objective
from talkbench.training.objectives.transform import EquivarianceTransform, thin_plate
from talkbench.training.objectives.turn import Losses
from talkbench.training.state.draw import Draw


@dataclass(frozen=True)
class Schedule:
    """The settings that depend on the epoch e, from 0 (docs/specs/tpsm.md 5.1, 5.3); the defaults are for VoxCeleb.

    Attributes:
        dropout_start, dropout_max, dropout_ramp, dropout_end: splines are dropped with probability
            min(e/ramp·max + start, max) before epoch `dropout_end`, and none from then on.
        background: the epoch from which the background's motion is predicted and learned; it stands still before.
    """

    dropout_start: float = 0.1
    dropout_max: float = 0.3
    dropout_ramp: int = 10
    dropout_end: int = 35
    background: int = 10

    def dropout(self, epoch: int) -> float:
        """The probability that a spline is dropped."""
        if epoch >= self.dropout_end:
            return 0.0
        return min(epoch / self.dropout_ramp * self.dropout_max + self.dropout_start, self.dropout_max)


# By the configuration's name; those that are not here, of faces, have the defaults.
SCHEDULES = {
    # VoxCeleb's in proportion to 10 epochs, where that has 100.
    **{f"tpsm@{name}": Schedule(dropout_ramp=1, dropout_end=4, background=1) for name in ("demo", "demo-memory")},
    "tpsm@taichi-256": Schedule(dropout_start=0.0, dropout_max=0.7, background=0),
    "tpsm@ted-384": Schedule(dropout_start=0.0, dropout_max=0.5, background=0),
}


class Random(NamedTuple):
    """The random choices of a step: the equivariance transform; the motions that are kept (B, K+1), None for all; the
    memory's noise by level, None without memory; and whether the background moves, which depends on the epoch."""

    transform: EquivarianceTransform
    keep: Tensor | None
    noise: tuple[Tensor, ...] | None
    background: bool


@registry.register("tpsm")
class TPSMObjective(Objective):
    """TPSM's terms; its AVD network is trained afterwards, by another objective."""

    trains = TPSM
    clip_type = math.inf
    idle = True  # the background predictor, before its first epoch

    def __init__(self, method: TPSM, image_loss: nn.Module, weights: LossWeights, sync: bool = True) -> None:
        super().__init__(method, image_loss, weights, sync)
        del self.networks["avd_network"]
        self.config, self.schedule = method.config, SCHEDULES.get(method.name, Schedule())
        self.kp_detector, self.dense_motion_network = method.kp_detector, method.dense_motion_network
        self.inpainting_network, self.bg_predictor = method.inpainting_network, method.bg_predictor
        set_parts(self.kp_detector, 3)  # source, driving and transformed frames in one batch
        set_parts(self.bg_predictor, 2)  # source to driving, and back

    def clipped(self) -> Iterable[Iterable[nn.Parameter]]:
        """All but the inpainting network (docs/specs/tpsm.md 5.2)."""
        networks = (self.kp_detector, self.dense_motion_network, self.bg_predictor)
        return [network.parameters() for network in networks]

    def random(self, draw: Draw) -> Random:
        transform = EquivarianceTransform.random(draw, align_corners=True, radial=thin_plate)
        dropout, keep = self.schedule.dropout(draw.epoch), None
        if dropout:
            keep = draw.uniform(self.config.num_tps + 1) < 1 - dropout
            keep[:, 0] = True  # the background is never dropped
        memory, noise = self.config.memory, None
        if memory is not None and memory.conditioned:
            noise = draw.normal(len(self.config.levels), 1, memory.side, memory.side).unbind(1)
        return Random(transform, keep, noise, draw.epoch >= self.schedule.background)

    def terms(self, source: Tensor, driving: Tensor, random: Random) -> Losses:
        images = torch.cat([source, driving, random.transform.warp_images(driving)])
        kp_source, kp_driving, kp_transformed = self.kp_detector(images).chunk(3)
        there, back = self._background(source, driving) if random.background else (None, None)
        encoded = self.inpainting_network.encode(source, kp_source, self.dense_motion_network.down(source))
        flow = self.dense_motion_network(encoded, kp_driving, there, random.keep)
        generated = self.inpainting_network(encoded, flow, random.noise)
        with torch.no_grad():
            driving_maps = self.inpainting_network.maps(driving)
        terms = {
            **self.image_term(generated.prediction, driving),
            "equivariance_value": equivariance_value(kp_driving, kp_transformed, random.transform),
            "warp": warp_consistency(driving_maps, encoded.maps, flow),
        }
        if there is not None and back is not None:
            terms["background"] = background_consistency(there, back)
        if generated.compensations:
            terms["consistency"] = consistency(generated.compensations)
        return terms

    def _background(self, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        """The background's matrices from source to driving frame and back, (B, 3, 3) each."""
        both = torch.cat([source, driving])
        there, back = self.bg_predictor(both, both.roll(len(source), 0)).chunk(2)
        return there, back
