"""What a training reports: to the user, and to ``log.jsonl``."""

from __future__ import annotations

from pathlib import Path

from talkbench.training.config import TrainConfig
from talkbench.training.data.feed import Batches
from talkbench.training.state.log import Log

LOG_EVERY_STEPS = 20


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


class Reports:
    """Reports the steps and epochs of a training; of several processes only the main one does.

    Args:
        folder: of the training, for ``log.jsonl``.
        images: pairs of a step.
        main: whether this process is the one that reports.
    """

    def __init__(self, folder: Path, batches: Batches, images: int, progress: TrainProgress, main: bool) -> None:
        self._lines, self._batches, self._images, self._progress = Log(folder), batches, images, progress
        self._main = main

    def back_to(self, step: int) -> None:
        """The training goes on after `step`: what was logged of later ones is dropped."""
        if self._main:
            self._lines.back_to(step)

    def step(self, step: int, losses: dict[str, float]) -> None:
        """`step` is done, with these weighted losses."""
        self._progress.step(step, self._batches.total, self._images, losses)
        if step % LOG_EVERY_STEPS == 0:
            self.log(step, losses)

    def epoch(self, step: int, values: dict[str, float]) -> None:
        """An epoch, or the training, ends with `step`; `values` are the losses and the validation metrics."""
        self._progress.epoch(step // self._batches.per_epoch, step, values)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values worth keeping."""
        if self._main:
            self._lines.append({"step": step, "epoch": step // self._batches.per_epoch, **values})
            self._progress.log(step, values)
