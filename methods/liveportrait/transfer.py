"""How LivePortrait gives a driver's motion to a source, by region of the face (docs/specs/liveportrait.md 5.1, 5.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from talkbench.methods.liveportrait.motion import NUM_KP, Head

Region = Literal["all", "exp", "pose", "lip", "eyes"]
POSED = ("all", "pose")
"""The regions with which the head turns and moves."""
LIPS = (6, 12, 14, 17, 19, 20)
EYES = (11, 13, 15, 16, 18)
FACE = {**dict.fromkeys((1, 2, 6, *range(11, NUM_KP)), "xyz"), 3: "y", 4: "y", 5: "z", 8: "z", 9: "yz"}
"""The keypoints whose expression absolute motion takes from the driver, and in which coordinates; the others are the
source's, against leakage of the driver's shape."""


def absolute_motion(source: Head, driving: Head, region: Region) -> Head:
    """The driver's rotation, translation and part of its expression, at the source's scale."""
    posed = driving if region in POSED else source
    expression = torch.where(_moved(region, driving.expression), driving.expression, source.expression)
    return replace(source, rotation=posed.rotation, translation=posed.translation, expression=expression)


def relative_motion(source: Head, driving: Head, reference: Head, region: Region) -> Head:
    """The change from `reference` to `driving`, applied to the source."""
    expression = source.expression + (driving.expression - reference.expression)
    if region not in ("all", "exp"):
        expression = torch.where(_moved(region, expression), expression, source.expression)
    moved = replace(source, expression=expression)
    if region in POSED:
        with torch.autocast(expression.device.type, enabled=False):
            rotation = driving.rotation @ reference.rotation.mT @ source.rotation
        translation = source.translation + driving.translation - reference.translation
        moved = replace(moved, rotation=rotation, translation=translation)
    if region == "all":
        moved = replace(moved, scale=source.scale * (driving.scale / reference.scale))
    return moved


def _moved(region: Region, like: Tensor) -> Tensor:
    """(K, 3): where a region's expression is not the source's."""
    keypoints = {"lip": dict.fromkeys(LIPS, "xyz"), "eyes": dict.fromkeys(EYES, "xyz"), "pose": {}}.get(region, FACE)
    moved = [[axis in keypoints.get(index, "") for axis in "xyz"] for index in range(NUM_KP)]
    return torch.tensor(moved, device=like.device)
