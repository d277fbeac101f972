"""`bench train`: from a recipe to a weights file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from talkbench import datasets, methods
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Dataset, Frame
from talkbench.methods.checkpoints import save_networks
from talkbench.methods.mcnet import MCNet
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data import FramePairs
from talkbench.training.loop import Trainer
from talkbench.training.losses import PerceptualLoss, load_vgg19


@dataclass(frozen=True)
class TrainOptions:
    """What the user asks for; see ``bench train --help`` for each."""

    method: str
    config: str
    out: Path | None = None
    root: Path | None = None
    steps: int | None = None
    seed: int | None = None
    vgg: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    command: str = ""


class TrainProgress:
    """What a training run tells while it goes; the default keeps silent."""

    def say(self, line: str) -> None:
        """One line for the user."""

    def step(self, step: int, total: int, losses: dict[str, float]) -> None:
        """`step` of `total` is done; its weighted losses."""


def train(options: TrainOptions, progress: TrainProgress | None = None) -> Path:
    """Train, or continue the training that `out` holds; returns the weights file.

    Raises:
        TalkbenchError: a wrong recipe, data that is not there, or a loss that is no longer finite.
    """
    progress = progress or TrainProgress()
    config = _config(options)
    torch.manual_seed(config.seed)
    # Heatmaps and their gradients fade into denormal numbers, which make a CPU several times slower.
    torch.set_flush_denormal(True)
    method = methods.create(config.method)
    assert isinstance(method, MCNet)
    data = datasets.create(config.dataset, root=options.root)
    frames = data.training_frames()
    read = partial(_read, data)
    pairs = FramePairs(frames, read, method.config.resolution, config.seed, config.jitter)
    folder = options.out or Path("checkpoints") / Path(options.config).stem
    perceptual = PerceptualLoss(load_vgg19(options.vgg)) if options.vgg else None
    if perceptual is None:
        progress.say(
            "no VGG-19 weights (--vgg vgg19-dcbb9e9d.pth from torchvision's model zoo): a multi-scale L1 stands in "
            "for the perceptual loss, so results are blurrier than the paper's"
        )
    trainer = Trainer(method, config, pairs, folder, options.device, perceptual)
    if trainer.step:
        progress.say(f"continuing {folder} at step {trainer.step}")
    trainer.run(lambda step, losses: progress.step(step, config.steps, losses))
    path = folder / "weights.safetensors"
    save_networks(method.networks, path, _metadata(options, config, trainer))
    return path


def _config(options: TrainOptions) -> TrainConfig:
    config = load_config(options.config)
    if options.method not in (config.method, config.method.split("@")[0]):
        raise TalkbenchError(f"config {options.config} trains {config.method}, not {options.method}")
    if not config.method.startswith("mcnet"):
        raise TalkbenchError(f"config {options.config}: only mcnet and its variants can be trained")
    chosen = {"steps": options.steps, "seed": options.seed}
    return config.model_copy(update={key: value for key, value in chosen.items() if value is not None})


def _read(data: Dataset, clip: str, index: int) -> np.ndarray:
    return data.read(Frame(clip, index))


def _metadata(options: TrainOptions, config: TrainConfig, trainer: Trainer) -> dict[str, object]:
    return {
        "method": config.method,
        "command": options.command,
        "config": config.model_dump(mode="json"),
        "seed": config.seed,
        "steps": trainer.step,
        "losses": trainer.latest,
        "perceptual": "VGG-19" if options.vgg else "multi-scale L1",
        "talkbench": version("talkbench"),
        "torch": torch.__version__,
    }
