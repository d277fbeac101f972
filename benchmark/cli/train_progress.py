"""What `bench train` shows while it works, and keeps in MLflow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from talkbench.benchmark.cli.progress import RunDisplay
from talkbench.benchmark.tracking import OFF, Entry, Mirror, tracking_uri
from talkbench.training.config import TrainConfig
from talkbench.training.loop import TrainProgress

RUNS = Path("runs")
HELD_BACK = 500  # values that are sent to MLflow together


class TrainingTracker(Mirror):
    """Mirrors a training run: losses, validation metrics and pictures, sent together now and then."""

    def __init__(self, uri: str, warn: Callable[[str], None]) -> None:
        super().__init__(uri, warn)
        self._waiting: list[Entry] = []

    def start(self, config: TrainConfig, folder: Path) -> None:
        """Open the run of `folder`, or go on with it, and log the recipe."""
        if self.uri == OFF:
            return
        with self._forgiving():
            name, key = f"train/{config.dataset}", str(folder.resolve())
            if self._open(name, RUNS, key, config.method, {}, int(time.time() * 1000)):
                recipe = config.model_dump(mode="json", exclude={"weights"})
                weights = config.weights.model_dump()
                self._log_params({**recipe, **{f"weights.{term}": value for term, value in weights.items()}})

    def log(self, step: int, values: dict[str, float]) -> None:
        """Keep values, which are sent when there are enough of them."""
        now = int(time.time() * 1000)
        self._waiting += [(name, value, now, step) for name, value in values.items() if math.isfinite(value)]
        if len(self._waiting) >= HELD_BACK:
            self.flush()

    def flush(self) -> None:
        """Send what is waiting."""
        with self._forgiving():
            if self._client is not None:
                self._log_metrics(self._waiting)
        self._waiting = []

    def picture(self, path: Path) -> None:
        """Keep a picture beside the values so far."""
        self.flush()
        with self._forgiving():
            if self._client is not None:
                self._client.log_artifact(self._run_id, str(path), "pictures")

    def finish(self) -> None:
        """Send the rest and end the run."""
        self.flush()
        self._close("FINISHED")


class TrainDisplay(TrainProgress):
    """A progress bar with the latest losses, and the MLflow run; a context manager.

    Attributes:
        shown: whether there was anything to show; of several processes it is the main one that has.
    """

    def __init__(self, uri: str | None) -> None:
        self.shown = False
        self._bar = RunDisplay("pairs")
        self._tracker = TrainingTracker(tracking_uri(uri, RUNS), self._bar.warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)
        if kind is None:
            self._tracker.finish()
        else:
            self._tracker.flush()
            self._tracker.__exit__(kind, error, trace)

    def begin(self, config: TrainConfig, folder: Path) -> None:
        self.shown = True
        self._tracker.start(config, folder)

    def say(self, line: str) -> None:
        self._bar.say(line)

    def step(self, step: int, total: int, images: int, losses: dict[str, float]) -> None:
        self._bar.reach(step * images, total * images, f"loss {losses['total']:.2f}")

    def log(self, step: int, values: dict[str, float]) -> None:
        self._tracker.log(step, values)

    def epoch(self, epoch: int, step: int, values: dict[str, float]) -> None:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._bar.say(f"epoch {epoch}, step {step}: {shown}")

    def picture(self, step: int, path: Path) -> None:
        self._tracker.picture(path)
