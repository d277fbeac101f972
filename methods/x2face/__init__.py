"""X2Face (ECCV 2018): the source is unwrapped into a mosaic, which is sampled as the driving frame directs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest
from talkbench.methods import registry
from talkbench.methods.inside import Inside
from talkbench.methods.interface import Batch, Method
from talkbench.methods.loading import load_networks
from talkbench.methods.x2face.model import X2FaceConfig, X2FaceNetwork, sample


@dataclass(frozen=True)
class Mosaic(Batch):
    """`face` (B, 3, H, W): the source unwrapped, in [0, 1]."""

    face: Tensor


@dataclass(frozen=True)
class DrivingGrid(Batch):
    """`grid` (B, H, W, 2): for each pixel to render the position (x, y) in the mosaic; beyond ±1 is black."""

    grid: Tensor


VARIANTS: dict[str, X2FaceConfig] = {
    "": X2FaceConfig(),
    "demo": X2FaceConfig((24, 48, 72, 88, 88, 88), embedding_code=88, driving_code=64),
}


class X2Face(Method[Mosaic, DrivingGrid]):
    """X2Face as released or small, from one source image per item; `X2FaceNetwork.mosaic` takes several.

    The driving frame alone determines the geometry of the result, so there is no relative motion.

    Args:
        variant: a key of `VARIANTS`.
        weights: checkpoint (the authors' ``.pth`` or our ``.safetensors``), None for fresh weights.
    """

    motions = ("absolute",)

    def __init__(self, variant: str = "", weights: str | Path | None = None) -> None:
        if variant not in VARIANTS:
            raise TalkbenchError(f"unknown variant x2face@{variant}: {nearest(variant, VARIANTS)}")
        self.name = f"x2face@{variant}" if variant else "x2face"
        self.config = VARIANTS[variant]
        self.resolution = self.config.resolution
        self.network = X2FaceNetwork(self.config)
        self.networks = {"state_dict": self.network}
        if weights is not None:
            self._load(Path(weights))
        self.network.eval()
        self.settings = {}

    def _load(self, path: Path) -> None:
        try:
            self.checkpoint_sha256 = load_networks(self.networks, path, self.name).sha256[""]
        except TalkbenchError as error:
            if error.__cause__ is None:  # missing, or read and found not to fit
                raise
            raise TalkbenchError(
                f"{error}. The authors' x2face_model.pth was written by Python 2; take x2face_model_forpython3.pth"
            ) from error

    @torch.no_grad()
    def encode_source(self, images: Tensor) -> Mosaic:
        return Mosaic(self.network.mosaic(images[:, None]))

    @torch.no_grad()
    def encode_motion(self, images: Tensor) -> DrivingGrid:
        return DrivingGrid(self.network.driving_grid(images))

    @torch.no_grad()
    def transfer(self, source: Mosaic, driving: DrivingGrid, reference: DrivingGrid | None) -> DrivingGrid:
        if reference is not None:
            raise TalkbenchError("x2face has no relative motion; it has absolute")
        return driving

    @torch.no_grad()
    def render(self, source: Mosaic, motion: DrivingGrid) -> Tensor:
        # Rounding in the bilinear weights may exceed the sampled values by a bit.
        return sample(source.face, motion.grid).clamp(0, 1)

    def inspect(self, images: Tensor, source: Mosaic, motion: DrivingGrid) -> Inside:
        """The flow leads into the mosaic, not into the source image."""
        return Inside(self.render(source, motion), deformation=motion.grid)


registry.register("x2face")(X2Face)
registry.register("x2face@demo")(partial(X2Face, variant="demo"))
