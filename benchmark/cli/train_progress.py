"""The displays of `bench train`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from talkbench.benchmark.cli.progress import RunDisplay
from talkbench.benchmark.tracking import LEAVING, Tracked, tracking_uri
from talkbench.benchmark.training_tracker import RUNS, TrainingTracker
from talkbench.training.config import TrainConfig
from talkbench.training.progress import TrainProgress
from talkbench.training.validation.scores import beside


class TrainDisplay(TrainProgress):
    """Context manager with a progress bar that shows the latest losses, and with the MLflow run.

    Attributes:
        begun: whether the training has begun in this process; of several processes only the main one reports that.
    """

    def __init__(self, uri: str | None) -> None:
        self.begun = False
        self._bar = RunDisplay("pairs")
        self._tracker = TrainingTracker(tracking_uri(uri, RUNS), self._bar.warn)

    def __enter__(self) -> Self:
        if os.environ.get("RANK", "0") == "0":  # of several processes the main one shows what moves
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)
        if kind is None:
            self._tracker.finish()
        else:
            self._tracker.flush(LEAVING)
            self._tracker.__exit__(kind, error, trace)

    @property
    def tracked(self) -> Tracked | None:
        """Where MLflow has the training."""
        return self._tracker.tracked

    def begin(self, config: TrainConfig, folder: Path, facts: Mapping[str, object]) -> None:
        self.begun = True
        self._tracker.start(config, folder, facts)

    def say(self, line: str) -> None:
        self._bar.say(line)

    def step(self, step: int, total: int, images: int, losses: dict[str, float]) -> None:
        self._bar.reach(step * images, total * images, f"loss {losses['total']:.2f}")

    def log(self, step: int, values: dict[str, float]) -> None:
        self._tracker.log(step, values)

    def epoch(self, epoch: int, step: int, values: dict[str, float]) -> None:
        if values:
            self._bar.say(f"epoch {epoch}, step {step}: {', '.join(beside(values))}")

    def picture(self, step: int, path: Path) -> None:
        self._tracker.picture(path)


class RowDisplay(RunDisplay):
    """Progress of the runs of an ablation's rows. Each warning appears once, since every row has the same warnings.

    Args:
        told: the warnings that have appeared.
    """

    def __init__(self, told: set[str]) -> None:
        super().__init__()
        self._told = told

    def warn(self, line: str) -> None:
        if line not in self._told:
            super().warn(line)
        self._told.add(line)
