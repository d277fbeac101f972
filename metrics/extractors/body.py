"""Eighteen joints of the human body by the part-affinity network (Cao et al., CVPR 2017;
docs/specs/evaluation.md 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkbench.core.errors import TalkbenchError
from talkbench.core.images import quantise
from talkbench.metrics.extractors import registry
from talkbench.metrics.extractors.skeleton import AFFINITY, PEAK, SCORE, SIGMA, decode, unmirror
from talkbench.metrics.interface import Extractor
from talkbench.metrics.networks import fill, isolated, read_state

HEIGHT = 368
"""Pixels to which images are scaled for the network (docs/specs/evaluation.md 3.5)."""

STRIDE = 8
"""Pixels of the network's input per cell of its maps."""

FIELDS, HEAT, STAGES = 38, 19, 6
"""Channels of the fields (two for each of 19 limbs), channels of the heat maps (18 joints and the background), and how
often both are estimated."""

ON_GPU = 16
"""Images, with their mirror images, in one pass of the network on a GPU. On a CPU one at a time is as fast."""


class PartAffinity(nn.Module):
    """The two-branch network: ten layers of VGG19 and two more give features, six stages refine both maps.

    Keys: ``model0`` (features), ``model<stage>_1`` (fields), ``model<stage>_2`` (heat maps), numbered with the
    activations and pools between the convolutions, as in the published ``pose_model.pth``. 52,311,446 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model0 = _convolutions(3, *(64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 256, 128))
        for branch, out in ((1, FIELDS), (2, HEAT)):
            self.add_module(f"model1_{branch}", _branch(128, 3, (128, 128, 128), 512, out))
            for stage in range(2, STAGES + 1):
                self.add_module(f"model{stage}_{branch}", _branch(128 + FIELDS + HEAT, 7, (128,) * 5, 128, out))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """BGR (B, 3, H, W), ``x / 256 - 0.5`` of x in 0..255, to fields (B, 38, H/8, W/8) and heat (B, 19, H/8, W/8).

        H and W are multiples of 8.
        """
        features = self.model0(images)
        inputs = features
        for stage in range(1, STAGES + 1):
            fields, heat = (self.get_submodule(f"model{stage}_{branch}")(inputs) for branch in (1, 2))
            inputs = torch.cat([fields, heat, features], 1)
        return fields, heat


def _convolutions(channels: int, *widths: int, kernel: int = 3) -> nn.Sequential:
    """One convolution with its activation for each of `widths`; 0 stands for a pool that halves the sides."""
    layers: list[nn.Module] = []
    for width in widths:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
            channels = width
    return nn.Sequential(*layers)


def _branch(channels: int, kernel: int, widths: Sequence[int], hidden: int, out: int) -> nn.Sequential:
    head = nn.Conv2d(widths[-1], hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, out, 1)
    return nn.Sequential(*_convolutions(channels, *widths, kernel=kernel), *head)


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
        if problem := self.problem():
            raise TalkbenchError(f"{self.name} {problem}")
        what = "the body pose network"
        return fill(PartAffinity(), read_state("body-pose", what), "body-pose", what).to(self.device)


def _enlargement(length: int, size: int) -> Tensor:
    """The weight of each cell of a map in each pixel of a frame along one axis: (size, cells).

    Cubic to 8 pixels a cell, cut to the scaled image's `length`, cubic to the frame's `size`. These steps are linear,
    so their results on the unit vectors are the columns of the matrix.
    """
    cells = -(-length // STRIDE)
    unit = torch.eye(cells)[None, None]
    enlarged = functional.interpolate(unit, (cells * STRIDE, cells), mode="bicubic")[:, :, :length]
    return functional.interpolate(enlarged, (size, cells), mode="bicubic")[0, 0]
