"""The training loop: one process or many, continued after a crash with the same command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from talkbench.core.errors import TalkbenchError
from talkbench.methods.interface import Method
from talkbench.training import objectives
from talkbench.training.collapse import CollapseWatch
from talkbench.training.config import TrainConfig
from talkbench.training.data.feed import Batches, feed, reading
from talkbench.training.data.pairs import FramePairs
from talkbench.training.progress import Reports, TrainProgress
from talkbench.training.state.checkpoints import Checkpoints, SaveTimer
from talkbench.training.state.facts import Facts, continued, gather
from talkbench.training.state.interrupts import end_by, held_back
from talkbench.training.step import Learner
from talkbench.training.terms import not_finite
from talkbench.training.validation.validation import Validation
from talkbench.training.world import World

USUAL = 0.99  # share of the past in the usual loss


@dataclass(frozen=True)
class LoopOptions:
    """Options that change no result.

    Attributes:
        workers: processes that read frames; 0: this process reads them.
        compiled: whether the step is compiled by ``torch.compile``.
        save_minutes: see `SaveTimer`; a state is also saved after each epoch.
        log_every: steps from one line of the log to the next.
        keep_every: the states after each so-many-th epoch are kept, beside the last ones; 0: none.
    """

    workers: int = 0
    compiled: bool = False
    save_minutes: float = 5.0
    log_every: int = 20
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
        facts: what the training is, known to the main process.
        about: what states and weights files are to say besides, such as the weights that the training began with.
    """

    facts: Facts

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
        self.checkpoints = Checkpoints(folder)
        self.validation = Validation(pairs, world.device) if world.main else None
        self.latest, self._usual = dict[str, float](), math.nan
        self.norm, self.about = math.nan, dict[str, object]()
        state = world.share(self._load() if world.main else None)
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
        if self.step > self.batches.total:
            raise TalkbenchError(
                f"{folder} is at step {self.step}, and this recipe ends at step {self.batches.total}; leave out the "
                "--set that shortens it, or choose another --out"
            )
        self.collapse = CollapseWatch(method, self.objective, progress.say)
        self.reports = Reports(folder, self.batches, config.batch_size, options.log_every, progress, world.main)
        self.reports.go_on(self.step, state.get("reports", {}) if state else {})

    def run(self) -> None:
        """Train up to the last step, saving, logging and validating on the way.

        Raises:
            TalkbenchError: the loss is no longer finite or explodes (the state before that step is saved and the batch
                named), a frame cannot be read, a process that reads frames has died, or the disk is full.
            KeyboardInterrupt: after Ctrl-C in one of the processes, once the step is done and its state saved.
            Terminated: in the same way after SIGTERM or SIGUSR1.
        """
        for note in self.validation.notes if self.validation is not None else ():
            self.progress.say(note)
        self.objective.train()
        over = self._over()
        batches = feed(self.pairs, self.batches, self.options.workers, self.world.device)
        with held_back() as interrupted, reading(), closing(batches):
            timer, told = SaveTimer(self.options.save_minutes), set[str]()
            self.reports.begin()
            for images, names, faults in () if over else batches:
                for fault in filter(None, "\n".join(faults).splitlines()):
                    if fault not in told:
                        self.progress.say(fault)
                    told.add(fault)
                self._train_step(images, names)
                end = self._report(images)
                stop = self.world.largest(interrupted())
                if timer.due() or end or stop:
                    self._save()
                    timer.saved()
                if stop:
                    raise end_by(stop)
                if end and self._over():
                    break
        self.learner.part()
        self.objective.eval()
        for line in self.validation.end() if self.validation is not None else ():
            self.progress.say(line)

    def _over(self) -> bool:
        """Whether the main process has seen so many validations without a better one that the training ends."""
        return bool(self.world.share(self.validation is not None and self.validation.best.over))

    def _report(self, images: Tensor) -> bool:
        """Report the last step, which was on `images`, and the epoch if that ended with it; returns whether it did."""
        self.reports.step(self.step, self.latest, self.norm, self.learner.rates(self.step - 1))
        end = self.batches.ends_epoch(self.step)
        if end:
            self.reports.epoch(self.step, self._validate())
        if end and self.world.main:
            self.collapse.look(images.to(self.world.device), self.step)
        return end

    def states(self) -> dict[str, dict[str, Tensor]]:
        """See `Learner.states`."""
        return self.learner.states()

    def _train_step(self, images: Tensor, names: list[str]) -> None:
        self.latest, self.norm, sound = self.learner.learn(images, self.step, self._usual)
        self._check(sound, names)
        self.step += 1

    def _check(self, sound: bool, names: list[str]) -> None:
        total, norm = self.latest["total"], self.norm
        usual = total if math.isnan(self._usual) else self._usual
        if sound:
            self._usual = USUAL * usual + (1 - USUAL) * total
            return
        self._save()
        before = f", usually {usual:.4g}" if math.isfinite(usual) else ""
        batch = ", ".join(name for names in self.world.gather(names) for name in names)
        raise TalkbenchError(
            f"the loss is {total:.4g} at step {self.step}{before}, its gradient's norm {norm:.4g}"
            f"{not_finite(self.latest)}; the state before it is in {self.checkpoints.folder}; the batch was: {batch}; "
            "take a bad clip out or lower lr"
        )

    def _validate(self) -> dict[str, float]:
        """The validation metrics, by their names in the log; empty without validation pairs."""
        if not self.validation:
            return {}
        path = self.folder / "pictures" / f"{self.step:08d}.png"
        self.objective.eval()
        with self.learner.averaged():
            epoch = self.step // self.batches.per_epoch
            named, best = self.validation.run(self.method, path, self.step, epoch)
        self.objective.train()
        self.reports.log(self.step, named)
        self.progress.picture(self.step, path)
        if best:
            self.write_weights(self.folder / "best.safetensors", self.validation.facts())
        return named

    def write_weights(self, path: Path, metadata: Mapping[str, object]) -> None:
        """Write `states` to a safetensors file, with what the training is and `metadata` of its own."""
        from talkbench.methods.checkpoints import save_states

        save_states(self.states(), path, {**self._metadata(brief=True), **metadata})

    def _metadata(self, brief: bool = False) -> dict[str, Any]:
        """What states and weights files say of themselves; `brief`: see `Facts.content`."""
        return {
            "method": self.config.method,
            "config": self.config.model_dump(mode="json"),
            "epochs": self.step // self.batches.per_epoch,
            "steps": self.step,
            "losses": self.latest,
            "torch": str(torch.__version__),
            **self.facts.content(brief),
            **({"left_out": sorted(self.objective.left_out)} if self.objective.left_out else {}),
            **self.about,
        }

    def _save(self) -> None:
        if not self.world.main:
            return
        state: dict[str, Any] = {
            "step": self.step,
            "config": self._recipe,
            "metadata": self._metadata(),
            "buffers": [name for name, _ in self.networks.named_buffers()],
            **self.learner.state(),
            "random": torch.get_rng_state(),
            "best": self.validation.best.state() if self.validation is not None else math.inf,
            "usual": self._usual,
            "reports": self.reports.state(),
        }
        self.checkpoints.save(self.step, state)

    def _load(self) -> dict[str, Any] | None:
        """The state to continue from, if there is one, and what the training is."""
        state, say = self.checkpoints.load(self._recipe, self.progress.say), self.progress.say
        self.facts = gather(self.pairs, [type(self.method), type(self.objective), type(self.pairs.dataset)], say)
        if state is not None:
            self.facts = continued(self.facts, state.get("metadata"), self.folder, say)
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        self._usual = state["usual"]
        if self.validation is not None:
            self.validation.best.restore(state["best"], self.validation.notes.append)
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
