"""What a method makes on the way from a source and a motion to an image, for those who want to look at it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Inside:
    """What can be seen of a rendering; None where a method has no such thing. What few have is in a subclass.

    Attributes:
        prediction: the image, (B, 3, H, W) in [0, 1].
        source_points, driving_points: keypoints, or centres of regions, (B, K, 2), (x, y) in [−1, 1]; the driving ones
            as they are rendered, after any transfer.
        deformation: the backward flow (B, h, w, 2): for each pixel of the result the source coordinate (x, y) in
            [−1, 1] that it is fetched from.
        deformed: the source image as that flow alone has it, (B, 3, H, W).
        occlusion: (B, 1, h, w): 1 keeps the warped source, 0 leaves it to the decoder.
    """

    prediction: Tensor
    source_points: Tensor | None = None
    driving_points: Tensor | None = None
    deformation: Tensor | None = None
    deformed: Tensor | None = None
    occlusion: Tensor | None = None
