import pytest
import torch
from reference_fill import fill_

from talkbench.training.objectives.losses import PerceptualLoss


@pytest.fixture(scope="session")
def perceptual() -> PerceptualLoss:
    """On the VGG-19 of the goldens, which is the same for all methods."""
    from torchvision.models import vgg19

    with torch.device("meta"):  # of the classifier, which is most of it, nothing is filled
        features = vgg19(weights=None).features
    return PerceptualLoss(fill_(features.to_empty(device="cpu"), "a/vgg"))
