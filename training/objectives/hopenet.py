"""Hopenet, which tells face-vid2vid's head estimator the driving head's angles while it is trained
(docs/specs/facevid2vid.md 2.7, 5.2)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from talkbench.core.errors import TalkbenchError
from talkbench.methods.checkpoints import mismatch, mistyped, read_states, with_counters
from talkbench.methods.facevid2vid.head import NUM_BINS, bins_to_degrees

SIZE, FEATURES = 224, 2048
TRUNK = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool")


class Hopenet(nn.Module):
    """Images (B, 3, H, W) in [0, 1] → yaw, pitch and roll in degrees (B, 3): a ResNet-50 with a head for each.

    It is a fixed measure: frozen, and always in eval mode. Attribute names are the keys of its authors' file, which
    also holds a layer that is never run.

    Raises:
        TalkbenchError: torchvision, whose ResNet it is, is not installed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        try:
            from torchvision.models import resnet50
        except ImportError as error:
            raise TalkbenchError("the head pose term needs torchvision: pip install 'talkbench[full]'") from error
        trunk = resnet50(weights=None)
        for name in TRUNK:
            self.add_module(name, trunk.get_submodule(name))
        self.fc_yaw = nn.Linear(FEATURES, NUM_BINS)
        self.fc_pitch = nn.Linear(FEATURES, NUM_BINS)
        self.fc_roll = nn.Linear(FEATURES, NUM_BINS)
        self.fc_finetune = nn.Linear(FEATURES + 3, 3)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Hopenet:
        """Stays in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        out = (F.interpolate(images, (SIZE, SIZE), mode="bilinear") - self.mean) / self.std  # no antialias, as theirs
        for name in TRUNK:
            out = self.get_submodule(name)(out)
        feature = out.flatten(1)
        logits = (head(feature).float() for head in (self.fc_yaw, self.fc_pitch, self.fc_roll))
        return torch.stack([bins_to_degrees(each) for each in logits], dim=1)


def load_hopenet(path: Path) -> Hopenet:
    """Hopenet with the weights of a local file (``hopenet_robust_alpha1.pkl``).

    Raises:
        TalkbenchError: torchvision is missing, or the file does not hold Hopenet.
    """
    network = Hopenet()
    expected = network.state_dict()
    state = with_counters(expected, read_states(path, "the head pose term").get("", {}))
    fault = mismatch(expected, state) or mistyped(expected, state)
    if fault:
        raise TalkbenchError(f"{path} does not hold Hopenet ({fault}); give hopenet_robust_alpha1.pkl")
    network.load_state_dict(state)
    return network
