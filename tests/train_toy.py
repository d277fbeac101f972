"""Trains the toy model of `toy_training` as one of several processes, or one that can be killed. The kinds are
``adversarial``: with a discriminator, ``portions``: the same, each share of a batch in two portions, and ``avd``: the
second stage of TPSM."""

from pathlib import Path

import torch
from toy_training import SIZE, Toy, adversarial, small_tpsm

from talkbench.training.config import TrainConfig
from talkbench.training.data.pairs import FramePairs
from talkbench.training.loop import LoopOptions, Trainer
from talkbench.training.objectives.losses import MultiScaleL1
from talkbench.training.progress import TrainProgress
from talkbench.training.world import join

FRAMES = {name: list(range(12)) for name in "abcd"}


OWN = {"discriminator": {"lr": 1e-5, "betas": (0.0, 0.9)}}
KINDS = {
    "adversarial": (adversarial, {"method": "mcnet@demo", "turns": OWN, "weights": {"adversarial": 1}}),
    "portions": (
        adversarial,
        {"method": "mcnet@demo", "weights": {"adversarial": 1}, "accumulate": 2, "norms": "running", "warmup": 3},
    ),
    # Many of its gradients are nothing but rounding, which differs between processes; sgd takes them for what they are.
    "avd": (small_tpsm, {"method": "tpsm@demo", "stage": "avd", "optimiser": "sgd", "lr": 1e-3}),
}


def main(folder: Path, steps: int, kind: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    make, changes = KINDS[kind]
    config = TrainConfig(
        dataset="toy",
        epochs=100,
        repeats=3,
        batch_size=4,
        jitter=0,
        validation=0,
        steps=steps,
        **{"lr": 2e-5, **changes},  # Adam turns rounding into steps of this size
    )
    progress = TrainProgress()
    progress.step = lambda step, _total, _images, losses: print(step, *losses.values(), flush=True)
    with join(torch.device("cpu")) as world:
        pairs = FramePairs(Toy(FRAMES), config, SIZE)
        options = LoopOptions(save_minutes=1e-4)
        shown = progress if world.main else TrainProgress()
        trainer = Trainer(make(), config, pairs, folder, MultiScaleL1(), world, options, shown)
        trainer.run()
        if world.main:
            trainer.write_weights(folder / "weights.safetensors", {})
