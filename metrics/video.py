"""Flicker of a generated video (docs/specs/evaluation.md 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talkbench.metrics import registry
from talkbench.metrics.pixel import ImageMetric

if TYPE_CHECKING:
    from torch import Tensor


def flicker(a: Tensor, b: Tensor) -> Tensor:
    """How differently two videos change from one frame to the next (docs/specs/evaluation.md 9).

    ``mean |(a_t - a_{t-1}) - (b_t - b_{t-1})|`` over pixels and channels: the frames t-1 and t of both,
    (B, 2, C, H, W) twice, to (B,).
    """
    return (a.diff(dim=1) - b.diff(dim=1)).abs().mean(dim=(1, 2, 3, 4))


@registry.register("flicker")
class Flicker(ImageMetric):
    """Mean absolute difference of the changes from the preceding frame, generated against real, images in [0, 1]."""

    name = "flicker"
    direction = "lower"
    range = (0.0, 2.0)
    decimals = 4
    history = 1

    def formula(self, a: Tensor, b: Tensor) -> Tensor:
        return flicker(a, b)
