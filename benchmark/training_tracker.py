"""Trainings in MLflow: an experiment per data set, a run per training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.benchmark.tracking import OFF, Entry, Mirror
from talkbench.training.state.origin import read_origin

if TYPE_CHECKING:
    from talkbench.training.config import TrainConfig

RUNS = Path("runs")
HELD_BACK = 500  # values that are sent to MLflow together


class TrainingTracker(Mirror):
    """Mirrors a training run: losses and validation metrics, sent many at a time, and pictures."""

    again = "the same command, which continues the training,"

    def __init__(self, uri: str, warn: Callable[[str], None]) -> None:
        super().__init__(uri, warn)
        self._waiting: list[Entry] = []

    def start(self, config: TrainConfig, folder: Path) -> None:
        """Open the MLflow run of the training in `folder` and log the recipe, or continue the run that is there."""
        if self.uri == OFF:
            return
        with self._forgiving():
            origin = read_origin(folder)  # trainings that were begun without one go by their folder
            name, key = f"train/{config.dataset}", origin.training_id if origin else str(folder.resolve())
            if self._open(name, RUNS, key, config.method, {}, int(time.time() * 1000)):
                recipe = config.model_dump(mode="json", exclude={"weights"})
                weights = config.weights.model_dump()
                self._log_params({**recipe, **{f"weights.{term}": value for term, value in weights.items()}})

    def log(self, step: int, values: dict[str, float]) -> None:
        """Collect values; they are sent when `HELD_BACK` of them are waiting."""
        now = int(time.time() * 1000)
        self._waiting += [(name, value, now, step) for name, value in values.items() if math.isfinite(value)]
        if len(self._waiting) >= HELD_BACK:
            self.flush()

    def flush(self) -> None:
        """Send the values that are waiting."""
        with self._forgiving():
            if self._client is not None:
                self._log_metrics(self._waiting)
        self._waiting = []

    def picture(self, path: Path) -> None:
        """Send the waiting values and a picture."""
        self.flush()
        with self._forgiving():
            if self._client is not None:
                self._call("log_artifact", self._run_id, str(path), "pictures")

    def finish(self) -> None:
        """Send the waiting values and end the run."""
        self.flush()
        self._close("FINISHED")
