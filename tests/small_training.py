"""One training step of every objective at small size."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import torch
from small_methods import small
from torch import Tensor, nn
from toy_training import Toy

from talkbench.methods.registration import families
from talkbench.training import objectives
from talkbench.training.config import TrainConfig, load_config
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.progress import TrainProgress
from talkbench.training.world import World, join

CPU = torch.device("cpu")
NAMES = sorted(name for name, objective in objectives.registry.factories().items() if objective.stage == "main")
EPOCH = 12  # in which all that has a schedule takes part
BATCH = 2


def image_loss(name: str) -> nn.Module:
    return nn.L1Loss() if objectives.registry.get(name).plain else MultiScaleL1()


def make_trainer(name: str, folder: Path, world: World = World(CPU), **changes: object) -> Trainer:  # noqa: B008
    """With the weights of the terms, the discriminator and the optimiser that the method's recipe has."""
    method = small(name)
    for network in method.networks.values():
        network.to(torch.get_default_dtype())
    recipe = load_config(families()[name].recipe)
    chosen = {"batch_size": BATCH, "jitter": 0, "validation": 0, "epochs": EPOCH + 1, "repeats": 4, **changes}
    config = TrainConfig(
        method=method.name, dataset="toy", weights=recipe.weights, **{"optimiser": recipe.optimiser, **chosen}
    )
    pairs = FramePairs(Toy(), config, method.resolution)
    return Trainer(
        method,
        config,
        pairs,
        folder,
        image_loss(name).to(torch.get_default_dtype()),
        world,
        LoopOptions(),
        TrainProgress(),
    )


@contextmanager
def precise() -> Iterator[None]:
    """Within the block all is float64, so that what networks as deep as face-vid2vid's make of rounding is small."""
    plain, kind = torch.Tensor.float, torch.get_default_dtype()
    torch.Tensor.float = torch.Tensor.double  # networks leave half precision by it, and images become numbers
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.float = plain
        torch.set_default_dtype(kind)


def pictures(size: int, count: int = BATCH) -> Tensor:
    """Smooth pairs, uint8 (count, 2, 3, size, size)."""
    coarse = torch.rand(2 * count, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return (255 * smooth.clamp(0, 1)).round().byte().unflatten(0, (count, 2))


def step(trainer: Trainer, images: Tensor) -> dict[str, float]:
    """The losses of a step in epoch `EPOCH`, and the largest norm of the gradients."""
    trainer.step = EPOCH * trainer.batches.per_epoch
    trainer.objective.train()
    found: dict[str, Tensor] = {}
    for losses in trainer.learner.passes(images, trainer.step):
        losses["total"].backward()
        found = {**{name: loss.detach() for name, loss in losses.items()}, **found}
    values = trainer.world.mean(torch.stack(list(found.values()))).tolist()
    return {**dict(zip(found, values, strict=True)), "norm": trainer.learner.clip().item()}


def main() -> None:
    """That of one of several processes, which the environment tells of as ``torchrun`` sets it."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with join(CPU) as world, precise():
        for name in NAMES:
            trainer = make_trainer(name, Path(mkdtemp()), world, clip_grad=None)
            share = BATCH // world.size
            images = pictures(trainer.method.resolution)[world.rank * share : (world.rank + 1) * share]
            losses = step(trainer, images)
            if world.main:
                print(name, json.dumps(losses), flush=True)
