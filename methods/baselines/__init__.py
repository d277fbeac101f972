"""Two methods without weights that give every table its scale."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.methods import registry
from talkbench.methods.interface import Batch, Method


@dataclass(frozen=True)
class Images(Batch):
    """Plain images (B, 3, H, W)."""

    images: Tensor


class _Weightless(Method[Images, Images]):
    def __init__(self, weights: str | None = None) -> None:
        if weights is not None:
            raise TalkbenchError(f"{self.name} has no weights; leave --checkpoint out")
        self.networks = {}
        self.settings = {}

    def encode_source(self, images: Tensor) -> Images:
        return Images(images)

    def encode_motion(self, images: Tensor) -> Images:
        return Images(images)

    def transfer(self, source: Images, driving: Images, reference: Images | None) -> Images:
        return driving


@registry.register("copy-source")
class CopySource(_Weightless):
    """No motion at all: the source image for every driving frame."""

    name = "copy-source"

    def render(self, source: Images, motion: Images) -> Tensor:
        return source.images


@registry.register("oracle")
class Oracle(_Weightless):
    """The driving frame itself: what a perfect same-identity result would score."""

    name = "oracle"
    ranked = False

    def render(self, source: Images, motion: Images) -> Tensor:
        return motion.images
