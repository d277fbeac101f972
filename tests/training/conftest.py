import pytest
from reference_fill import fill_

from talkbench.training.objectives.losses import PerceptualLoss


@pytest.fixture(scope="session")
def perceptual() -> PerceptualLoss:
    """On the VGG-19 of the goldens, which is the same for all methods."""
    from torchvision.models import vgg19

    return PerceptualLoss(fill_(vgg19(weights=None).features, "a/vgg"))
