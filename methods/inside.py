"""The intermediate results of rendering, for inspection."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Inside:
    """The image and the intermediate results of a rendering; None where a method has none. Subclasses add what only few
    methods have.

    Attributes:
        prediction: the image, (B, 3, H, W) in [0, 1].
        source_points, driving_points: keypoints, or centres of regions, (B, K, 2), (x, y) in [−1, 1]; the driving ones
            as they are rendered, after any transfer.
        deformation: the backward flow (B, h, w, 2): for each pixel of the result the source coordinate (x, y) in
            [−1, 1] that it is fetched from.
        deformed: the source image warped by that flow, (B, 3, H, W).
        occlusion: (B, 1, h, w): 1 keeps the warped source, 0 leaves it to the decoder.
    """

    prediction: Tensor
    source_points: Tensor | None = None
    driving_points: Tensor | None = None
    deformation: Tensor | None = None
    deformed: Tensor | None = None
    occlusion: Tensor | None = None
