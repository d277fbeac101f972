"""What a training reports: to the user, and to ``log.jsonl``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from statistics import fmean

from talkbench.training.config import TrainConfig
from talkbench.training.data.feed import Batches
from talkbench.training.state.log import Log

LR, NORM, SPEED, SECONDS = "lr", "gradient_norm", "images_per_second", "seconds"
"""The names of what a line of the log has beside the losses."""


class TrainProgress:
    """The events that a training run reports; this class ignores them, subclasses show them."""

    def begin(self, config: TrainConfig, folder: Path, facts: Mapping[str, object]) -> None:
        """Training begins, or goes on; `facts` are its command, its data and its code."""

    def say(self, line: str) -> None:
        """One line for the user."""

    def step(self, step: int, total: int, images: int, losses: dict[str, float]) -> None:
        """`step` of `total` is done, of `images` pairs; its weighted losses."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values worth keeping: means of the losses now and then, validation metrics after every epoch."""

    def epoch(self, epoch: int, step: int, values: dict[str, float]) -> None:
        """`epoch` epochs are done; `values` are the validation metrics."""

    def picture(self, step: int, path: Path) -> None:
        """The validation pairs have been drawn into the image file `path`."""


class Reports:
    """Reports the steps and epochs of a training; of several processes only the main one does.

    Every so many steps, and where an epoch or the training ends, a line of the log has the means of the losses and of
    the gradients' norm since the line before, the learning rate of the last step, the images per second, one for each
    pair, and the seconds that the training has taken.

    Args:
        folder: of the training, for ``log.jsonl``.
        images: pairs of a step.
        every: steps from one line to the next.
        main: whether this process is the one that reports.
    """

    def __init__(
        self, folder: Path, batches: Batches, images: int, every: int, progress: TrainProgress, main: bool
    ) -> None:
        self._lines, self._batches, self._images, self._progress = Log(folder), batches, images, progress
        self._every, self._main = every, main
        self._since: dict[str, list[float]] = {}  # the line before
        self._before = 0.0  # seconds of the training before this process went on with it
        self._began = self._clock = time.monotonic()
        self._steps = 0  # of this process since `_clock`

    def state(self) -> dict[str, list[float]]:
        """What a continued training needs to report as if it had not been interrupted: the values since the line
        before."""
        return {name: [*values] for name, values in self._since.items()}

    def go_on(self, step: int, state: Mapping[str, list[float]]) -> None:
        """The training goes on after `step`, with a `state`, {} if that is from before states held any; what was logged
        of later steps is dropped."""
        self._since = {name: [*values] for name, values in state.items()}
        if self._main:
            self._before = max((line.get(SECONDS, 0.0) for line in self._lines.back_to(step)), default=0.0)

    def begin(self) -> None:
        """The first step of this process begins now, and so does the time that it takes."""
        self._began = self._clock = time.monotonic()

    def step(self, step: int, losses: dict[str, float], norm: float, rates: Mapping[str, float]) -> None:
        """`step` is done, with these weighted losses, this norm of the gradients and these learning rates, by what they
        are of."""
        self._progress.step(step, self._batches.total, self._images, losses)
        self._steps += 1
        for name, value in {**losses, NORM: norm}.items():
            self._since.setdefault(name, []).append(value)
        if step % self._every == 0 or self._batches.ends_epoch(step):
            self._line(step, learning_rates(rates))

    def epoch(self, step: int, values: dict[str, float]) -> None:
        """An epoch, or the training, ends with `step`; `values` are the validation metrics."""
        self._progress.epoch(step // self._batches.per_epoch, step, values)
        self._clock = time.monotonic()  # validation is no part of the steps

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values worth keeping."""
        if self._main:
            self._lines.append({"step": step, "epoch": step // self._batches.per_epoch, **values})
            self._progress.log(step, values)

    def _line(self, step: int, rates: Mapping[str, float]) -> None:
        now = time.monotonic()
        means = {name: fmean(values) for name, values in self._since.items()}
        norm, speed = means.pop(NORM), self._steps * self._images / max(now - self._clock, 1e-9)
        values = {**means, **rates, NORM: norm, SPEED: speed, SECONDS: self._seconds()}
        self._since, self._clock, self._steps = {}, now, 0
        self.log(step, values)
        self._progress.say(self._words(step, means, rates, values))

    def _words(
        self, step: int, losses: Mapping[str, float], rates: Mapping[str, float], values: Mapping[str, float]
    ) -> str:
        numbers = [f"{name} {value:.4g}" for name, value in {**losses, **rates}.items()]
        took = timedelta(seconds=round(values[SECONDS]))
        speed = f"{values[SPEED]:.3g} images/s"
        return f"step {step}/{self._batches.total}: {', '.join(numbers)}, gradient {values[NORM]:.4g}, {speed}, {took}"

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began


def learning_rates(rates: Mapping[str, float]) -> dict[str, float]:
    """The learning rates of a step by their names in the log: a single one if all are equal, else one for each name."""
    if len({*rates.values()}) == 1:
        return {LR: next(iter(rates.values()))}
    return {f"{LR}/{name}": rate for name, rate in rates.items()}
