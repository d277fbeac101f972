"""Keypoints that have collapsed to one place move nothing, and no loss says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from talkbench.methods.interface import Method
from talkbench.training.objectives.fomm import FOMMObjective
from talkbench.training.objectives.objective import Objective

CLOSE = 0.05
"""Median distance of a frame's keypoints, where the image is 2 wide, below which they count as collapsed. Those of
fresh networks are at 0.07 to 0.3, those of the shipped mcnet@demo at 0.85."""

EARLY = 100
"""Steps before which nobody looks: keypoints may pass through one place on their way."""

FRAMES = 4


class CollapseWatch:
    """Warns once in a training if the keypoints of driving frames lie in one place.

    Args:
        say: called with the warning, which names the remedy.
    """

    def __init__(self, method: Method[Any, Any], objective: Objective, say: Callable[[str], None]) -> None:
        self._method, self._objective, self._say = method, objective, say
        self._warned = False

    def look(self, images: Tensor, step: int) -> None:
        """Look at some of the pairs of a batch, uint8 (B, 2, 3, H, W); does nothing for a method without keypoints."""
        if self._warned or step < EARLY:
            return
        self._objective.eval()
        distance = keypoint_spread(self._method, images[:FRAMES].float() / 255)
        self._objective.train()
        if distance is None or distance >= CLOSE:
            return
        self._warned = True
        self._say(
            f"the keypoints have collapsed: their median distance is {distance:.3f}, where the image is 2 wide, so "
            f"they can move little; {self._remedy()}"
        )

    def _remedy(self) -> str:
        if not isinstance(self._objective, FOMMObjective):
            return "train anew with another seed or a smaller lr"
        weight = self._objective.weights.kp_separation
        return f"train anew with --set weights.kp_separation={10 * weight or 10:g}, which pushes them apart"


@torch.no_grad()
def keypoint_spread(method: Method[Any, Any], images: Tensor) -> float | None:
    """The median distance of the driving frames' keypoints from each other, for pairs (B, 2, 3, H, W) in [0, 1]; None
    for a method without keypoints."""
    source, driving = images.unbind(1)
    encoded = method.encode_source(source)
    points = method.inspect(source, encoded, method.encode_motion(driving)).driving_points
    if points is None or points.shape[1] < 2:
        return None
    return torch.stack([torch.pdist(frame.float()).median() for frame in points]).median().item()
