"""`bench train`: from a recipe to a weights file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from talkbench import datasets, methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sweep, write_atomic
from talkbench.core.locks import FOREVER, locked
from talkbench.methods.cards import family, full_name, recipe_name
from talkbench.methods.interface import Method
from talkbench.metrics import weights
from talkbench.training import objectives, threads
from talkbench.training.beginning import load_opponents, start
from talkbench.training.config import MAIN, TrainConfig, load_config
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1, PerceptualLoss, load_vgg19
from talkbench.training.progress import TrainProgress
from talkbench.training.state.checkpoints import Checkpoints
from talkbench.training.state.origin import check_origin, write_origin
from talkbench.training.world import World, join

VGG = "vgg19"

READERS_END = 10.0
"""Seconds after which the reading processes of a killed run have ended, so that its folder is no longer locked."""


@dataclass(frozen=True)
class TrainOptions:
    """The user's options; see ``bench train --help`` for each."""

    method: str = ""
    config: str | None = None
    dataset: str | None = None
    out: Path | None = None
    root: Path | None = None
    checkpoint: Path | None = None
    vgg: Path | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    loop: LoopOptions = field(default_factory=LoopOptions)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wait: bool = False
    command: str = ""


def train(options: TrainOptions, progress: TrainProgress | None = None) -> Path:
    """Train, or continue the training that `out` holds; returns the weights file.

    Raises:
        TalkbenchError: the recipe is invalid, data is missing, the loss explodes, another process trains into `out`, or
            the training there began with another checkpoint.
    """
    # Heatmaps and their gradients fade into denormal numbers, which make a CPU several times slower.
    torch.set_flush_denormal(True)
    with join(options.device) as world:
        config = recipe(options)
        if not progress or not world.main:
            progress = TrainProgress()
        return _train(options, config, world, progress)


def recipe(options: TrainOptions) -> TrainConfig:
    """The recipe, with the changes that the options ask for.

    Without a recipe's name, the one in the method's card is taken, that of the variant if it has its own. If the
    options name a variant of the method, that variant is trained instead of the recipe's.

    Raises:
        TalkbenchError: the recipe is invalid or trains another method, the method cannot be trained, or its data set is
            for evaluation only.
    """
    kind = methods.class_of(options.method)
    if isinstance(kind, type):
        objectives.find(kind, options.method)  # before anything is loaded
    default = recipe_name(options.method)
    if not default:
        raise TalkbenchError(f"{options.method} has no recipe; name one in its card.yaml, see docs/training.md")
    family_name, changes = default.split("/")[0], dict(options.changes)
    if "method" in changes:
        raise TalkbenchError("the method is not an entry to change; name it with --method")
    if options.dataset:
        changes["dataset"] = options.dataset
    config = load_config(options.config or default, changes, family_name)
    card = datasets.card(config.dataset)
    if card.evaluation_only:
        reason = f"which is for evaluation only ({card.licence})"
        raise TalkbenchError(f"nothing is trained on {config.dataset}, {reason}; choose another data set")
    if family(config.method).recipe.split("/")[0] != family_name:
        raise TalkbenchError(f"config {options.config} trains {config.method}, not {options.method}")
    if isinstance(kind, type):
        objectives.find(kind, options.method, config.stage)
    chosen = full_name(options.method) if "@" in options.method else config.method
    return config.model_copy(update={"method": chosen})


def _train(options: TrainOptions, config: TrainConfig, world: World, progress: TrainProgress) -> Path:
    import yaml

    torch.manual_seed(config.seed)
    stage = "" if config.stage == MAIN else f"-{config.stage}"
    folder = options.out or Path("checkpoints") / f"{config.method}-{config.dataset}{stage}"
    method = start(config, options.checkpoint, world.share(Checkpoints(folder).begun()), progress.say)
    assert method.resolution is not None
    pairs = FramePairs(datasets.create(config.dataset, root=options.root), config, method.resolution)
    notes: list[str] = []
    image_loss, comparison = _image_loss(method, config.stage, options.vgg, notes.append)
    bound, say = (FOREVER, progress.say) if options.wait else (READERS_END, None)
    with locked(folder, "is training into", bound, say) if world.main else nullcontext():
        beginning = None
        if world.main:
            sweep(folder)
            sha256 = method.checkpoint_sha256 if options.checkpoint else None
            beginning = check_origin(folder, options.checkpoint, sha256, Checkpoints(folder).begun())
        trainer = Trainer(method, config, pairs, folder, image_loss, world, options.loop, progress)
        if options.checkpoint and not trainer.continued:
            load_opponents(trainer.opponents, options.checkpoint, config.method, progress.say)
        if world.main:  # now, so that a folder that cannot be written is noticed before the first epoch
            write_atomic(folder / "recipe.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
            if beginning:
                write_origin(folder, beginning)
        for note in notes:  # not before the training can begin: what keeps it from that matters more
            progress.say(note)
        for term, reason in trainer.objective.left_out.items():
            progress.say(f"no {term} term, which the weights file records: {reason}")
        if options.device.type == "cpu":
            progress.say(threads.note())
        progress.begin(config, folder, {"command": options.command, "root": str(pairs.dataset.root or "")})
        if trainer.step:
            progress.say(f"continuing {folder} at step {trainer.step}")
        trainer.run()
        path = folder / "weights.safetensors"
        if world.main:
            origin = {"command": options.command, "talkbench": version("talkbench"), "perceptual": comparison}
            trainer.write_weights(path, origin)
    return path


def _image_loss(
    method: Method[Any, Any], stage: str, vgg: Path | None, say: Callable[[str], None]
) -> tuple[nn.Module, str]:
    """What compares prediction and driving frame, and its name in the metadata of the weights.

    Args:
        vgg: the user's file of VGG-19.
    """
    objective = objectives.find(type(method), method.name, stage)
    if not objective.compares_images:
        return nn.Identity(), "none"
    if objective.plain:
        return nn.L1Loss(), "L1"
    vgg = vgg or (weights.path(VGG) if weights.problem(VGG) is None else None)
    if vgg:
        return PerceptualLoss(load_vgg19(vgg)), "VGG-19"
    say(
        f"no VGG-19 weights (bench weights pull {VGG}, or --vgg vgg19-dcbb9e9d.pth): a multi-scale L1 stands in "
        "for the perceptual loss, so results are blurrier than the paper's"
    )
    return MultiScaleL1(), "multi-scale L1"
