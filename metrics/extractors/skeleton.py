"""People from heat maps of joints and part-affinity fields (Cao et al., CVPR 2017; docs/specs/evaluation.md 3.5).

The paper leaves details open, and the spec gives three thresholds. This follows the paper's well-known reference
decoding: a joint is a peak of a smoothed heat map; two joints of a limb are matched by the integral of the field
between them, the best match first; people are put together limb by limb along a tree from the neck.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

JOINTS = 18
"""Nose, neck, right shoulder, elbow, wrist, left shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle,
right eye, left eye, right ear, left ear (docs/specs/evaluation.md 3.5)."""

PEAK = 0.1
"""The value that a peak of the smoothed heat map must exceed. `PEAK`, `AFFINITY` and `SCORE` are the thresholds of
docs/specs/evaluation.md 3.5."""

AFFINITY = 0.05
"""The value that a sample of the field along a limb must exceed to support the limb."""

SCORE = 0.5
"""Least score of a person (`Person.score`)."""

SIGMA = 3.0
"""Pixels by which the heat maps are smoothed before peaks are sought."""

SAMPLES = 10
"""Number of samples of the field along a limb."""

SHARE = 0.8
"""More than this share of the samples must support a limb."""

LEAST_JOINTS = 4
"""Joints that a person must have; fewer are taken for noise."""


class Limb(NamedTuple):
    """Two joints, and the first of the two channels (x, then y) of the field that points from `start` to `end`."""

    start: int
    end: int
    channel: int


LIMBS = (
    *(Limb(1, 2, 12), Limb(1, 5, 20), Limb(2, 3, 14), Limb(3, 4, 16), Limb(5, 6, 22), Limb(6, 7, 24)),
    *(Limb(1, 8, 0), Limb(8, 9, 2), Limb(9, 10, 4), Limb(1, 11, 6), Limb(11, 12, 8), Limb(12, 13, 10)),
    *(Limb(1, 0, 28), Limb(0, 14, 30), Limb(14, 16, 34), Limb(0, 15, 32), Limb(15, 17, 36)),
    *(Limb(2, 16, 18), Limb(5, 17, 26)),
)
"""The 19 limbs in the order in which people are assembled. All but the last two form a tree."""

CLOSING = LIMBS[-2:]
"""The limbs from the shoulders to the ears: they join parts of a person and never begin one."""

SIDES = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""The joint that each joint becomes in a mirrored image."""


def unmirror(fields: Tensor, heat: Tensor) -> tuple[Tensor, Tensor]:
    """Turn the maps of a mirrored image into those of the image: fields (…, 38, H, W) and heat (…, 19, H, W).

    Columns are reversed, left and right change places, and fields point the other way in x.
    """
    import torch

    channels = {(limb.start, limb.end): limb.channel for limb in LIMBS}
    order = torch.empty(2 * len(LIMBS), dtype=torch.long)
    for limb in LIMBS:
        other = channels[SIDES[limb.start], SIDES[limb.end]]
        order[limb.channel : limb.channel + 2] = torch.tensor([other, other + 1])
    sign = torch.tensor([-1.0, 1.0], device=fields.device).repeat(len(LIMBS))[:, None, None]
    background = JOINTS
    fields = fields[..., order.to(fields.device), :, :].flip(-1) * sign
    return fields, heat[..., [*SIDES, background], :, :].flip(-1)


def find_peaks(heat: Tensor) -> list[np.ndarray]:
    """Candidates of each joint: heat maps (K, H, W) to K arrays (n, 3) of x, y in whole pixels and the map's value.

    A peak is a pixel of the smoothed map that no neighbour (of four) exceeds; of equal neighbours the first counts.
    """
    import torch
    from torch.nn import functional

    height, width = heat.shape[-2:]
    rows, columns = (torch.from_numpy(_smoothing(length)).to(heat) for length in (height, width))
    smooth = (rows @ heat @ columns.T).round(decimals=6)  # equal pixels stay equal whatever the order of the sums
    around = functional.pad(smooth, (1, 1, 1, 1), value=-torch.inf)
    above, left = around[:, :-2, 1:-1], around[:, 1:-1, :-2]
    below, right = around[:, 2:, 1:-1], around[:, 1:-1, 2:]
    peaks = (smooth > PEAK) & (smooth > above) & (smooth > left) & (smooth >= below) & (smooth >= right)
    joint, y, x = torch.nonzero(peaks, as_tuple=True)
    candidates = torch.stack([x.to(heat), y.to(heat), heat[joint, y, x]], 1).cpu().numpy()
    return [candidates[joint.cpu().numpy() == number] for number in range(len(heat))]


@lru_cache(maxsize=8)
def _smoothing(length: int) -> np.ndarray:
    """The Gaussian filter along one axis as a matrix (length, length), so that it runs where the maps are."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(np.eye(length), SIGMA, axis=0)


def connections(starts: np.ndarray, ends: np.ndarray, field: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Pairs of candidates (n, 3), (m, 3) that the field (2, H, W) of a limb joins, with their scores, best first.

    The score is the mean, over 10 samples on the line between the two, of the field's component along that line; if
    their distance d is more than half the image's height H, ``1 - H / 2d`` is subtracted. It must be positive. A
    candidate has one partner at most.
    """
    along = ends[None, :, :2] - starts[:, None, :2]  # (n, m, 2)
    distance = np.hypot(along[..., 0], along[..., 1])
    direction = along / np.maximum(distance, 1e-6)[..., None]
    steps = np.linspace(0, 1, SAMPLES)[:, None]
    x, y = np.moveaxis(np.rint(starts[:, None, None, :2] + steps * along[:, :, None]).astype(int), -1, 0)  # (n, m, 10)
    affinity = field[0, y, x] * direction[..., :1] + field[1, y, x] * direction[..., 1:]
    penalty = np.minimum(field.shape[1] / 2 / np.maximum(distance, 1e-6) - 1, 0)
    score = affinity.mean(-1) + penalty
    joined = ((affinity > AFFINITY).sum(-1) > SHARE * SAMPLES) & (score > 0)
    pairs = np.argwhere(joined)
    free_starts, free_ends = set(range(len(starts))), set(range(len(ends)))
    for i, j in pairs[np.argsort(-score[joined], kind="stable")].tolist():
        if i in free_starts and j in free_ends:
            free_starts.remove(i)
            free_ends.remove(j)
            yield i, j, float(score[i, j])


@dataclass(eq=False)
class Person:
    """A person: the number of the candidate that each joint is, and the scores of the limbs."""

    joints: dict[int, int]
    limbs: list[float]

    def score(self, peaks: Sequence[np.ndarray]) -> float:
        """The sum of the scores of joints and limbs, divided by the number of joints."""
        total = sum(float(peaks[joint][number, 2]) for joint, number in self.joints.items())
        return (total + sum(self.limbs)) / len(self.joints)


def assemble(peaks: Sequence[np.ndarray], fields: np.ndarray) -> list[Person]:
    """The people in an image, in the order in which they were begun, from the candidates of `find_peaks` and the fields
    (38, H, W)."""
    people: list[Person] = []
    for limb in LIMBS:
        field = fields[limb.channel : limb.channel + 2]
        for i, j, score in connections(peaks[limb.start], peaks[limb.end], field):
            owners = [p for p in people if p.joints.get(limb.start) == i or p.joints.get(limb.end) == j]
            if len(owners) > 1 and owners[0].joints.keys().isdisjoint(owners[1].joints):
                owners[0].joints |= owners[1].joints
                owners[0].limbs += [*owners[1].limbs, score]
                people.remove(owners[1])
            elif owners and owners[0].joints.get(limb.end) != j:
                owners[0].joints[limb.end] = j
                owners[0].limbs.append(score)
            elif not owners and limb not in CLOSING:
                people.append(Person({limb.start: i, limb.end: j}, [score]))
    return [p for p in people if len(p.joints) >= LEAST_JOINTS and p.score(peaks) >= SCORE]


def decode(fields: Tensor, heat: Tensor) -> np.ndarray | None:
    """Joints of the people in an image: fields (38, H, W), heat maps (19, H, W) to float32 (18, 2), x and y in pixels.

    Of several people's joints of one kind that of the last person counts; (-1, -1) stands for an absent one
    (docs/specs/evaluation.md 3.5). None: nobody.
    """
    peaks = find_peaks(heat[:JOINTS])
    people = assemble(peaks, fields.cpu().numpy())
    if not people:
        return None
    joints = np.full((JOINTS, 2), -1, np.float32)
    for person in people:
        for joint, number in person.joints.items():
            joints[joint] = peaks[joint][number, :2]
    return joints
