"""`bench train`: from a recipe to a weights file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from talkbench import datasets, methods
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sweep, write_atomic
from talkbench.core.locks import FOREVER, locked
from talkbench.methods.cards import card_file, demo_name, family, full_name, is_demo, recipe_name
from talkbench.methods.interface import Method
from talkbench.metrics import weights
from talkbench.training import objectives, threads
from talkbench.training.beginning import load_opponents, start
from talkbench.training.config import MAIN, TrainConfig, load_config
from talkbench.training.data.mixed import Roots, folders, training_data
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1, PerceptualLoss, load_vgg19
from talkbench.training.progress import TrainProgress
from talkbench.training.recipe_files import find_recipe
from talkbench.training.state.checkpoints import Checkpoints
from talkbench.training.state.origin import check_origin, write_origin
from talkbench.training.validation.scores import best_metric
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
    root: Roots = None
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
        best_metric(config)  # before anything is loaded
        if not progress or not world.main:
            progress = TrainProgress()
        return _train(options, config, world, progress)


def recipe(options: TrainOptions) -> TrainConfig:
    """The recipe, with the changes that the options ask for.

    Without a recipe's name, the one in the method's card is taken, that of the variant if it has its own. If the
    options name a variant of the method, that variant is trained instead of the recipe's, at demo size if the recipe's
    is of that size.

    Raises:
        TalkbenchError: the recipe is invalid or trains another method, the method cannot be trained, not at demo size
            though the recipe is for that, or its data set is for evaluation only.
    """
    kind = methods.class_of(options.method)
    if isinstance(kind, type):
        objectives.find(kind, options.method)  # before anything is loaded
    default = recipe_name(options.method)
    if not default:
        raise TalkbenchError(
            f"{options.method} has no recipe; name one in {card_file(options.method)}, see docs/training.md"
        )
    family_name, changes = default.split("/")[0], dict(options.changes)
    if "method" in changes:
        raise TalkbenchError("the method is not an entry to change; name it with --method")
    if options.dataset:
        changes["dataset"] = options.dataset
    source = find_recipe(options.config or default, family_name)[0]
    config = load_config(source, changes)
    for card in map(datasets.card, config.sets):
        if card.evaluation_only:
            reason = f"which is for evaluation only ({card.licence})"
            raise TalkbenchError(f"nothing is trained on {card.name}, {reason}; choose another data set")
    named = full_name(options.method)
    alike = "@" in options.method or config.method.partition("@")[0] == named.partition("@")[0]
    if not alike or family(config.method) != family(named):
        raise TalkbenchError(
            f"config {source} trains {config.method}, not {options.method}; name another --config, or a .yaml file of "
            f"yours that has the entry method: {options.method}"
        )
    chosen = named if "@" in options.method else config.method
    chosen = demo_name(chosen) if is_demo(config.method) else chosen
    return objectives.completed(config.model_copy(update={"method": chosen}), source)


def _train(options: TrainOptions, config: TrainConfig, world: World, progress: TrainProgress) -> Path:
    import yaml

    torch.manual_seed(config.seed)
    stage = "" if config.stage == MAIN else f"-{config.stage}"
    folder = options.out or Path("checkpoints") / f"{config.method}-{'+'.join(config.sets)}{stage}"
    method = start(config, options.checkpoint, world.share(Checkpoints(folder).begun()), progress.say)
    if method.resolution is None:
        raise TalkbenchError(f"{method.name} has no resolution, which training resizes frames to; give its class one")
    pairs = FramePairs(training_data(config.sets, options.root), config, method.resolution)
    notes: list[str] = []
    image_loss, comparison = _image_loss(method, config, options.vgg, notes.append)
    bound, say = (FOREVER, progress.say) if options.wait else (READERS_END, None)
    with locked(folder, "is training into", bound, say) if world.main else nullcontext():
        beginning = None
        if world.main:
            sweep(folder)
            sha256 = method.checkpoint_sha256 if options.checkpoint else None
            beginning = check_origin(folder, options.checkpoint, sha256, Checkpoints(folder), progress.say)
        trainer = Trainer(method, config, pairs, folder, image_loss, world, options.loop, progress)
        trainer.about = {"command": options.command, "perceptual": comparison}
        if beginning:
            trainer.about |= asdict(beginning)
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
        if world.main:
            facts = {"command": options.command, "root": folders(pairs.dataset), "data_id": trainer.facts.data_id}
            progress.begin(config, folder, facts)
        if trainer.step:
            progress.say(f"continuing {folder} at step {trainer.step}")
        trainer.run()
        path = folder / "weights.safetensors"
        if world.main:
            trainer.write_weights(path, {})
    return path


def _image_loss(
    method: Method[Any, Any], config: TrainConfig, vgg: Path | None, say: Callable[[str], None]
) -> tuple[nn.Module, str]:
    """What compares prediction and driving frame, and its name in the metadata of the weights.

    Args:
        vgg: the user's file of VGG-19.

    Raises:
        TalkbenchError: the recipe names the perceptual loss, and there is no file of VGG-19.
    """
    objective = objectives.find(type(method), method.name, config.stage)
    if not objective.compares_images:
        return nn.Identity(), "none"
    kind = config.image_loss or ("l1" if objective.plain else "")
    if vgg and kind in ("l1", "multi-scale-l1"):
        raise TalkbenchError(f"--vgg has no use, since images are compared by {kind}; add --set image_loss=perceptual")
    if kind == "l1":
        return nn.L1Loss(), "L1"
    if kind == "multi-scale-l1":
        return MultiScaleL1(), "multi-scale L1"
    vgg = vgg or (weights.path(VGG) if weights.problem(VGG) is None else None)
    if vgg:
        return PerceptualLoss(load_vgg19(vgg)), "VGG-19"
    if kind:
        raise TalkbenchError(
            f"image_loss: perceptual needs VGG-19: bench weights pull {VGG}, or --vgg vgg19-dcbb9e9d.pth"
        )
    say(
        f"no VGG-19 weights (bench weights pull {VGG}, or --vgg vgg19-dcbb9e9d.pth): a multi-scale L1 stands in "
        "for the perceptual loss, so results are blurrier than the paper's"
    )
    return MultiScaleL1(), "multi-scale L1"
