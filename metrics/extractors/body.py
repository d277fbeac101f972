"""Eighteen joints of the human body by the part-affinity network (Cao et al., CVPR 2017;
docs/specs/evaluation.md 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import quantise
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.skeleton import AFFINITY, PEAK, SCORE, SIGMA, decode, unmirror
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state

if TYPE_CHECKING:
    from torch import Tensor

    from talkbench.metrics.extractors.architectures.part_affinity import PartAffinity

HEIGHT = 368
"""Pixels to which images are scaled for the network (docs/specs/evaluation.md 3.5)."""

STRIDE = 8
"""Pixels of the network's input per cell of its maps."""

ON_GPU = 16
"""Images, with their mirror images, in one pass of the network on a GPU. On a CPU one at a time is as fast."""


@registry.register("body-pose")
class BodyPose(Extractor):
    """Joints in the order of `skeleton.JOINTS`: float32 (18, 2), x and y in whole pixels of the frame as it is stored;
    (-1, -1) for an absent joint.

    The maps are the mean over the frame and its mirror image. Of several people's joints of one kind, that of the last
    person counts. None: nobody, or an image with values that are not finite.
    """

    name = "body-pose"
    weights = ("body-pose",)
    subject = "body"

    @property
    def id(self) -> str:
        return self.identity(f"h{HEIGHT}-mirror-sigma{SIGMA:g}-thr{PEAK}-{AFFINITY}-{SCORE}")

    def extract(self, images: Tensor, base: Sequence[np.ndarray | None] | None = None) -> list[np.ndarray | None]:
        import torch

        joints: list[np.ndarray | None] = [None] * len(images)
        with isolated():
            sound = images.isfinite().flatten(1).all(1).nonzero().flatten()
            step = 1 if torch.device(self.device).type == "cpu" else ON_GPU
            for start in range(0, len(sound), step):
                numbers = sound[start : start + step]
                for number, fields, heat in zip(numbers.tolist(), *self.maps(images[numbers]), strict=True):
                    joints[number] = decode(fields, heat)
        return joints

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) in [0, 1] to fields (B, 38, H, W) and heat maps (B, 19, H, W) on `device`."""
        import torch
        from torch.nn import functional

        size = images.shape[-2:]
        width = round(size[1] * HEIGHT / size[0])
        bgr = quantise(images.to(self.device)).mul(255).round().flip(1).contiguous()
        # As 8-bit images are scaled: cubic without antialiasing, and back to whole values.
        scaled = functional.interpolate(bgr, (HEIGHT, width), mode="bicubic").round().clamp(0, 255)
        both = torch.cat([scaled, scaled.flip(3)]) / 256 - 0.5
        padded = functional.pad(both, (0, -width % STRIDE))  # with 0, which is grey 128
        rows, columns = (_enlargement(*sides).to(bgr) for sides in zip((HEIGHT, width), size, strict=True))
        fields, heat = (rows @ cells @ columns.T for cells in self._network(padded))
        (fields, back_fields), (heat, back_heat) = fields.chunk(2), heat.chunk(2)
        back_fields, back_heat = unmirror(back_fields, back_heat)
        return (fields + back_fields) / 2, (heat + back_heat) / 2

    @cached_property
    def _network(self) -> PartAffinity:
        from talkbench.metrics.extractors.architectures.part_affinity import PartAffinity

        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        what = "the body pose network"
        return fill(PartAffinity(), read_state("body-pose", what), "body-pose", what).to(self.device)


def _enlargement(length: int, size: int) -> Tensor:
    """The weight of each cell of a map in each pixel of a frame along one axis: (size, cells).

    Cubic to 8 pixels a cell, cut to the scaled image's `length`, cubic to the frame's `size`. These steps are linear,
    so their results on the unit vectors are the columns of the matrix.
    """
    import torch
    from torch.nn import functional

    cells = -(-length // STRIDE)
    unit = torch.eye(cells)[None, None]
    enlarged = functional.interpolate(unit, (cells * STRIDE, cells), mode="bicubic")[:, :, :length]
    return functional.interpolate(enlarged, (size, cells), mode="bicubic")[0, 0]
