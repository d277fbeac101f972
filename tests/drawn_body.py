"""Someone standing, and the maps that a perfect network would make of people."""

import numpy as np
import torch

from talkbench.metrics.extractors.skeleton import LIMBS

STANDING = np.array(
    [
        *([40, 20], [40, 32], [30, 33], [24, 48], [20, 62], [50, 33], [56, 48], [60, 62]),
        *([35, 64], [34, 84], [33, 104], [45, 64], [46, 84], [47, 104], [37, 16], [43, 16], [33, 18], [47, 18]),
    ],
    float,
)
"""x and y of the joints of someone who faces us: right is on the left."""

ABSENT = [-1, -1]


def draw(*people, shape=(120, 160), radius=3.0, strength=1.0):
    """Fields (38, H, W) and heat maps (19, H, W) of joints (18, 2); limbs of absent joints are left out.

    Joints are spots of the deviation `radius`, limbs bands that go as far to both sides.
    """
    y, x = np.mgrid[: shape[0], : shape[1]]
    heat, fields = np.zeros((19, *shape)), np.zeros((38, *shape))
    for joints in people:
        for number, at in enumerate(joints):
            if at[0] >= 0:
                spot = strength * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * radius**2))
                heat[number] = np.maximum(heat[number], spot)
        for start, end, channel in LIMBS:
            a, b = joints[start], joints[end]
            if min(a[0], b[0]) < 0:
                continue
            length = np.hypot(*(b - a))
            along, across = (b - a) / length, np.array([a[1] - b[1], b[0] - a[0]]) / length
            offset = np.stack([x - a[0], y - a[1]], -1)
            near = (
                (np.abs(offset @ across) <= radius) & (offset @ along >= -radius) & (offset @ along <= length + radius)
            )
            fields[channel : channel + 2, near] = along[:, None]
    heat[18] = 1 - heat[:18].max(0)
    return torch.from_numpy(fields).float(), torch.from_numpy(heat).float()


def without(joints, *absent):
    joints = joints.copy()
    joints[list(absent)] = ABSENT
    return joints


def mirrored(joints, width):
    """The joints (18, 2) as they are in the mirrored image."""
    joints = joints[[0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]]
    joints[joints[:, 0] >= 0, 0] = width - 1 - joints[joints[:, 0] >= 0, 0]
    return joints
