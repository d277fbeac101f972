"""A method without weights that can be slow, noisy or broken."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from talkbench.core.errors import PairError, TalkbenchError
from talkbench.methods.interface import Batch, Method

FAULTY = 5
"""Number of the driving frame at which a fault shows; frames bear theirs in the first pixel."""


@dataclass(frozen=True)
class Images(Batch):
    images: Tensor


class Blend(Method):
    """The mean of source and driving frame.

    Args:
        sleep: seconds that rendering a batch takes.
        noise: strength of noise that is drawn anew for every batch.
        fault: what goes wrong at frame `FAULTY`.
        side: the resolution; 0 if any will do.
        deaths: so many processes are killed that render frame `FAULTY`, those that find the folder ``deaths``.
    """

    def __init__(
        self,
        weights: Path | None = None,
        sleep: float = 0.0,
        noise: float = 0.0,
        fault: str = "",
        side: int = 0,
        deaths: int = 0,
        variant: str = "",
    ) -> None:
        if weights is not None:
            raise TalkbenchError("blend has no weights; leave --checkpoint out")
        self.name = f"blend@{variant}" if variant else "blend"
        self.networks = {}
        self.resolution = side or None
        self.sleep, self.noise, self.fault, self.deaths = sleep, noise, fault, deaths
        self.settings = {"noise": noise, "fault": fault}

    def encode_source(self, images: Tensor) -> Images:
        return Images(images)

    def encode_motion(self, images: Tensor) -> Images:
        return Images(images)

    def transfer(self, source: Images, driving: Images, reference: Images | None) -> Images:
        return driving if reference is None else Images(source.images + driving.images - reference.images)

    def render(self, source: Images, motion: Images) -> Tensor:
        time.sleep(self.sleep)
        images = (source.images + motion.images) / 2
        if self.noise:
            images = images + self.noise * torch.rand(images.shape, device=images.device)
        faulty = motion.images[:, 0, 0, 0].mul(255).round() == 10 * FAULTY
        if faulty.any():
            self._die()
            images = self._broken(images, faulty)
        return images

    def _die(self) -> None:
        folder = Path("deaths")
        if len(list(folder.glob("*"))) < self.deaths:
            (folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def _broken(self, images: Tensor, faulty: Tensor) -> Tensor:
        match self.fault:
            case "nan":
                return images.masked_fill(faulty[:, None, None, None], float("nan"))
            case "singular":
                raise torch.linalg.LinAlgError("inversion failed:\nthe matrix is singular")
            case "pair":
                raise PairError("no-motion", "this frame moves nothing")
            case "memory":
                raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")
            case "bug":
                raise RuntimeError("a bug of the method")
            case "shape":
                return images[..., :-1]
        return images
