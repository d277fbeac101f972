from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from talkbench.methods.interface import Batch, Method
from talkbench.methods.loading import load_networks


@dataclass(frozen=True)
class Frames(Batch):
    images: Tensor  # (B, 3, H, W)


class Generator(nn.Sequential):
    """From a source and a driving frame to the source in the driving frame's motion."""

    def __init__(self):
        super().__init__(nn.Conv2d(6, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, source, driving):
        return super().forward(torch.cat([source, driving], dim=1))


class MyMethod(Method):
    name = "mymethod"
    resolution = 64
    motions = ("absolute",)

    def __init__(self, weights=None):
        self.networks, self.settings = {"generator": Generator().eval()}, {}
        if weights is not None:
            self.checkpoint_sha256 = load_networks(self.networks, Path(weights), self.name).sha256[""]

    def encode_source(self, images):
        return Frames(images)

    def encode_motion(self, images):
        return Frames(images)

    def transfer(self, source, driving, reference):
        return driving

    @torch.no_grad()
    def render(self, source, motion):
        return self.networks["generator"](source.images, motion.images)
