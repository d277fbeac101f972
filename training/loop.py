"""The training loop: one process or many, continued after a crash with the same command."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.methods.interface import Method
from talkbench.training import objectives
from talkbench.training.config import TrainConfig
from talkbench.training.data.feed import Batches, feed, reading
from talkbench.training.data.pairs import FramePairs
from talkbench.training.state.checkpoints import Checkpoints
from talkbench.training.state.interrupts import held_back
from talkbench.training.state.log import Log
from talkbench.training.state.origin import read_origin
from talkbench.training.step import Learner
from talkbench.training.validation import METRICS, Validation
from talkbench.training.world import World

LOG_EVERY_STEPS = 20
EXPLOSION = 30  # times the usual total loss
USUAL = 0.99  # share of the past in the usual loss


class TrainProgress:
    """The events that a training run reports; this class ignores them, subclasses show them."""

    def begin(self, config: TrainConfig, folder: Path) -> None:
        """Training begins, or goes on."""

    def say(self, line: str) -> None:
        """One line for the user."""

    def step(self, step: int, total: int, images: int, losses: dict[str, float]) -> None:
        """`step` of `total` is done, of `images` pairs; its weighted losses."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values worth keeping: losses now and then, validation metrics after every epoch."""

    def epoch(self, epoch: int, step: int, values: dict[str, float]) -> None:
        """`epoch` epochs are done; `values` are the losses of the last step and the validation metrics."""

    def picture(self, step: int, path: Path) -> None:
        """The validation pairs have been drawn into the image file `path`."""


@dataclass(frozen=True)
class LoopOptions:
    """Options that change no result.

    Attributes:
        workers: processes that read frames; 0: this process reads them.
        compiled: whether the step is compiled by ``torch.compile``.
        save_minutes: a state is saved after each epoch, and after so many minutes without one.
        keep_every: the states after each so-many-th epoch are kept, beside the last ones; 0: none.
    """

    workers: int = 0
    compiled: bool = False
    save_minutes: float = 5.0
    keep_every: int = 0


class Trainer:
    """Trains the networks of a method in place.

    Args:
        method: the method, with fresh weights or those to start from.
        config: the recipe.
        pairs: the training data.
        folder: for the states, ``log.jsonl``, ``pictures/`` and the best weights by the validation pairs.
        image_loss: compares prediction and driving frame.

    Attributes:
        continued: whether a state was there to continue from.
    """

    def __init__(
        self,
        method: Method,
        config: TrainConfig,
        pairs: FramePairs,
        folder: Path,
        image_loss: nn.Module,
        world: World,
        options: LoopOptions,
        progress: TrainProgress,
    ) -> None:
        self.method, self.config, self.pairs, self.folder = method, config, pairs, folder
        self.world, self.options, self.progress = world, options, progress
        objective = objectives.create(method, image_loss, config.weights, config.sync_batchnorm, config.stage)
        objective.freeze(config.freeze)
        objective.fixed_norms = config.norms == "running"
        self.objective = objective.to(world.device)
        self._recipe = {**config.model_dump(mode="json"), "image loss": type(image_loss).__name__}
        if objective.left_out:
            self._recipe["left out"] = sorted(objective.left_out)
        check_alike(world, [type(image_loss).__name__, *(f"no {term}" for term in sorted(objective.left_out))])
        self.checkpoints, self._lines = Checkpoints(folder), Log(folder)
        self.validation = Validation(pairs, world.device, progress.say) if world.main else None
        self.latest, self.best, self._usual = dict[str, float](), math.inf, math.nan
        state = world.share(self.checkpoints.load(self._recipe, progress.say) if world.main else None)
        self.continued = state is not None
        self.step: int = state["step"] if state else 0
        self.batches = Batches(len(pairs), config, self.step, world.rank, world.size)
        self.checkpoints.every = options.keep_every * self.batches.per_epoch
        self.learner = Learner(self.objective, config, world, self.batches, options.compiled)
        for note in self.learner.notes:
            progress.say(note)
        self.networks, self.opponents, self.turns = self.learner.networks, self.learner.opponents, self.learner.turns
        if state is not None:
            self._restore(state)
        if world.main:
            self._lines.back_to(self.step)

    def run(self) -> None:
        """Train up to the last step, saving, logging and validating on the way.

        Raises:
            TalkbenchError: the loss is no longer finite or explodes (the state before that step is saved and the batch
                named), a frame cannot be read, a process that reads frames has died, or the disk is full.
            KeyboardInterrupt: after Ctrl-C, once the step is done and its state saved.
        """
        self.objective.train()
        batches = feed(self.pairs, self.batches, self.options.workers, self.world.device)
        with held_back() as interrupted, reading(), closing(batches):
            saved, told = time.monotonic(), {""}
            for images, names, faults in batches:
                for fault in {*faults} - told:
                    self.progress.say(fault)
                told |= {*faults}
                self._train_step(images, names)
                end = self._report()
                stop = self.world.any(interrupted())
                if end or stop or time.monotonic() - saved > 60 * self.options.save_minutes:
                    self._save()
                    saved = time.monotonic()
                if stop:
                    raise KeyboardInterrupt
        self.learner.part()
        self.objective.eval()

    def _report(self) -> bool:
        """Report the last step, and the epoch if that ended with it; returns whether it did."""
        self.progress.step(self.step, self.batches.total, self.config.batch_size, self.latest)
        if self.step % LOG_EVERY_STEPS == 0:
            self._log(self.latest)
        epoch, more = divmod(self.step, self.batches.per_epoch)
        end = not more or self.step == self.batches.total
        if end:
            self.progress.epoch(epoch, self.step, {**self.latest, **self._validate()})
        return end

    def states(self) -> dict[str, dict[str, Tensor]]:
        """See `Learner.states`."""
        return self.learner.states()

    def _train_step(self, images: Tensor, names: list[str]) -> None:
        self.latest, norm = self.learner.teach(images, self.step)
        self._check(norm, names)
        self.learner.update(self.step)
        self.step += 1

    def _check(self, norm: float, names: list[str]) -> None:
        total = self.latest["total"]  # of the first turn; a discriminator's loss may well rise from nothing
        usual = total if math.isnan(self._usual) else self._usual
        if math.isfinite(sum(self.latest.values()) + norm) and total <= EXPLOSION * usual:
            self._usual = USUAL * usual + (1 - USUAL) * total
            return
        self.learner.take_back()
        self._save()
        before = f", usually {usual:.4g}" if math.isfinite(usual) else ""
        batch = ", ".join(name for names in self.world.gather(names) for name in names)
        raise TalkbenchError(
            f"the loss is {total:.4g} at step {self.step}{before}, its gradient's norm {norm:.4g}; the state before it "
            f"is in {self.checkpoints.folder}; the batch was: {batch}; take a bad clip out or lower lr"
        )

    def _validate(self) -> dict[str, float]:
        """The validation metrics, by their names in the log; empty without validation pairs."""
        if not self.validation:
            return {}
        path = self.folder / "pictures" / f"{self.step:08d}.png"
        self.objective.eval()
        with self.learner.averaged():
            values = self.validation.run(self.method, path)
        self.objective.train()
        named = {f"validation/{name}": value for name, value in values.items()}
        self._log(named)
        self.progress.picture(self.step, path)
        if values[METRICS[0]] < self.best:
            self.best = values[METRICS[0]]
            self.write_weights(self.folder / "best.safetensors", {"validation": values})
        return named

    def write_weights(self, path: Path, metadata: Mapping[str, object]) -> None:
        """Write `states` to a safetensors file, with what the training began with among its metadata."""
        from talkbench.methods.checkpoints import save_states

        origin = read_origin(self.folder)
        facts = {
            "method": self.config.method,
            "config": self.config.model_dump(mode="json"),
            "epochs": self.step // self.batches.per_epoch,
            "steps": self.step,
            "losses": self.latest,
            "torch": torch.__version__,
            **(asdict(origin) if origin else {}),
            **({"left_out": sorted(self.objective.left_out)} if self.objective.left_out else {}),
        }
        save_states(self.states(), path, {**facts, **metadata})

    def _log(self, values: dict[str, float]) -> None:
        if not self.world.main:
            return
        self._lines.append({"step": self.step, "epoch": self.step // self.batches.per_epoch, **values})
        self.progress.log(self.step, values)

    def _save(self) -> None:
        if not self.world.main:
            return
        state: dict[str, Any] = {
            "step": self.step,
            "config": self._recipe,
            **self.learner.state(),
            "random": torch.get_rng_state(),
            "best": self.best,
            "usual": self._usual,
        }
        self.checkpoints.save(self.step, state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.best, self._usual = state["best"], state["usual"]
        self.learner.restore(state)
        torch.set_rng_state(state["random"])


def check_alike(world: World, terms: list[str]) -> None:
    """Refuse processes that would learn by different terms.

    Args:
        terms: the image loss of this process, and what it leaves out.

    Raises:
        TalkbenchError: those of another process differ, since that has other model files.
    """
    every = {", ".join(each) for each in world.gather(terms)}
    if len(every) > 1:
        raise TalkbenchError(
            f"the processes would learn by different terms ({'; '.join(sorted(every))}), since they have other model "
            "files; bring the same ones to every machine, see bench weights list"
        )
