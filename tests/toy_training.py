"""A toy data set for training: frames that show their clip and number as colours."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from talkbench import methods
from talkbench.core.errors import PairError
from talkbench.datasets import Frame
from talkbench.methods.blocks import HourglassConfig
from talkbench.methods.discriminator import Judgement
from talkbench.methods.keypoints import KeypointDetector
from talkbench.methods.mcnet import MCNet
from talkbench.methods.mcnet.memory import MemoryConfig
from talkbench.methods.mcnet.model import Generator, MCNetConfig
from talkbench.methods.tpsm import TPSM
from talkbench.methods.tpsm.model import BackgroundPredictor, DenseMotionNetwork, InpaintingNetwork, TPSMConfig
from talkbench.methods.tpsm.model import KeypointDetector as ResNetDetector
from talkbench.training.progress import SECONDS, SPEED

FRAMES = {"a": [0, 1, 2, 5], "b": [7, 8]}
SIZE = 32


def unmeasured(folder: Path) -> list[dict[str, float]]:
    """The lines of a training's log without what depends on the machine."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in {SECONDS, SPEED}} for line in lines]


def frame(clip: str, number: int) -> np.ndarray:
    """Red is the number, green the clip, and a blue bar as long as the number."""
    image = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    image[..., 0], image[..., 1] = 10 * number, 200 * (clip == "b")
    image[:, : number + 2, 2] = 255
    return image


def tiny() -> MCNet:
    """MCNet for images of the toy data, with all of its parts, small enough for a step in milliseconds."""
    shape = HourglassConfig(8, max_features=16, num_blocks=2, scale_factor=0.5)
    memory = MemoryConfig(channels=8, side=4)
    config = MCNetConfig(SIZE, 5, shape, shape, block_expansion=8, max_features=32, num_down_blocks=2, memory=memory)
    method = methods.create("mcnet@demo")
    method.config, method.resolution = config, SIZE
    method.detector, method.generator = KeypointDetector(5, shape), Generator(config)
    method.networks = {"kp_detector": method.detector, "generator": method.generator}
    return method


def small_tpsm() -> TPSM:
    """TPSM for images of the toy data."""
    method = methods.create("tpsm@demo")
    config = TPSMConfig(SIZE, dense_motion=HourglassConfig(8, 16, num_blocks=2), block_expansion=8, max_features=16)
    method.config, method.resolution = config, SIZE
    method.kp_detector = ResNetDetector(config.num_tps, config.resnet_width)
    method.bg_predictor = BackgroundPredictor(config.resnet_width)
    method.dense_motion_network = DenseMotionNetwork(config.num_tps, config.dense_motion)
    method.inpainting_network = InpaintingNetwork(config)
    method.networks = {name: getattr(method, name) for name in method.networks}
    return method


class Judge(nn.Module):
    """A discriminator for images of the toy data, conditioned on keypoints and spectrally normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.utils.spectral_norm(nn.Conv2d(3, 8, 4, stride=2))
        self.condition = nn.Linear(10, 8)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, images: Tensor, keypoints: Tensor) -> Judgement:
        features = torch.relu(self.first(images) + self.condition(keypoints.flatten(1))[:, :, None, None])
        return Judgement((features,), self.last(features))


def adversarial() -> MCNet:
    """`tiny`, with a discriminator."""
    method = tiny()
    method.discriminator = Judge
    return method


class Toy:
    """As much of a data set as training asks for.

    Args:
        broken: frames that cannot be read.
    """

    name, root = "toy", Path("toys")

    def __init__(self, frames: dict[str, list[int]] | None = None, broken: Iterable[tuple[str, int]] = ()) -> None:
        self.frames, self.broken = frames or FRAMES, set(broken)

    def training_clips(self) -> list[str]:
        return sorted(self.frames)

    def training_numbers(self, clip: str) -> list[int]:
        return self.frames[clip]

    def check_training(self, clips: Iterable[str]) -> None:
        pass

    def identity(self, clip: str) -> str:
        return clip[0]

    def fingerprint(self, clip: str) -> str:
        return f"{clip} {self.frames[clip]}"

    def read(self, wanted: Frame) -> np.ndarray:
        if (wanted.clip, wanted.index) in self.broken:
            raise PairError("undecodable-frame", f"{wanted.clip} {wanted.index} is damaged")
        return frame(wanted.clip, wanted.index)
