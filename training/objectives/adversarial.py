"""The adversarial terms of FOMM, DaGAN and face-vid2vid, each unweighted
(docs/specs/fomm.md "Block: LSGAN and feature matching", docs/specs/facevid2vid.md 5.2, 5.3). Discriminators judge
keypoints detached, and full-size images only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from talkbench.methods.discriminator import Judgement


def lsgan_generator(fake: Tensor) -> Tensor:
    """Mean (1 − D(prediction))² of the discriminator's map."""
    return (1 - fake).square().mean()


def lsgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Mean (1 − D(driving))² + D(prediction)², the prediction detached."""
    return ((1 - real).square() + fake.square()).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """−mean D(prediction)."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """mean max(0, 1 − D(driving)) + mean max(0, 1 + D(prediction)), the prediction detached."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def feature_matching(real: Judgement, fake: Judgement) -> Tensor:
    """Mean absolute difference of the outputs of each of the discriminator's blocks, (4,)."""
    return torch.stack([F.l1_loss(a, b) for a, b in zip(real.features, fake.features, strict=True)])
