"""What `bench train` shows while it works."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from talkbench.benchmark.cli.progress import RunDisplay
from talkbench.benchmark.tracking import tracking_uri
from talkbench.benchmark.training_tracker import RUNS, TrainingTracker
from talkbench.training.config import TrainConfig
from talkbench.training.loop import TrainProgress


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


class RowDisplay(RunDisplay):
    """Progress of the runs of an ablation's rows; warns of nothing twice, as every row has the same to warn of.

    Args:
        told: what was warned of before.
    """

    def __init__(self, told: set[str]) -> None:
        super().__init__()
        self._told = told

    def warn(self, line: str) -> None:
        if line not in self._told:
            super().warn(line)
        self._told.add(line)
