"""State dicts of LPIPS' backbones as torchvision publishes them, filled like the goldens'."""

import torch
from reference_fill import fill_
from torch import Tensor

NAMES = {"lpips@vgg": "vgg16", "lpips@alex": "alexnet"}


def backbone_file(name: str) -> dict[str, Tensor]:
    """Of ``vgg16`` or ``alexnet``; of the classifier, which LPIPS ignores, one entry."""
    from torchvision import models

    with torch.device("meta"):
        features = getattr(models, name)(weights=None).features
    state = fill_(features.to_empty(device="cpu"), f"a/{name}").state_dict()
    return {f"features.{key}": value for key, value in state.items()} | {"classifier.6.bias": torch.zeros(1000)}
