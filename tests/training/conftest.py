from collections.abc import Callable
from functools import lru_cache

import pytest
import torch
from reference_fill import fill_
from torch import Tensor

from talkbench.training.objectives.losses import PerceptualLoss


@pytest.fixture(scope="session")
def perceptual() -> PerceptualLoss:
    """On the VGG-19 of the goldens, which is the same for all methods, as their targets are: their maps are computed
    once."""
    from torchvision.models import vgg19

    with torch.device("meta"):  # of the classifier, which is most of it, nothing is filled
        features = vgg19(weights=None).features
    loss = PerceptualLoss(fill_(features.to_empty(device="cpu"), "a/vgg"))
    loss._layers = remembered(loss._layers)
    return loss


def remembered(layers: Callable[[Tensor], list[Tensor]]) -> Callable[[Tensor], list[Tensor]]:
    """`layers`, which computes what no gradient flows through once for each image."""

    @lru_cache(16)  # of four images, each at four scales
    def of_one(image: bytes, size: torch.Size) -> list[Tensor]:
        return layers(torch.frombuffer(bytearray(image), dtype=torch.float32).view(size))

    def maps(images: Tensor) -> list[Tensor]:
        if torch.is_grad_enabled():
            return layers(images)
        single = [of_one(image.numpy().tobytes(), image.shape) for image in images.split(1)]
        return [torch.cat(level) for level in zip(*single, strict=True)]

    return maps
