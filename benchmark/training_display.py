"""What `bench train` shows and keeps while it works."""

from __future__ import annotations

from typing import Self

from talkbench.benchmark.console import RunDisplay
from talkbench.training.session import TrainOptions, TrainProgress


class TrainDisplay(TrainProgress):
    """A progress bar with the latest losses; a context manager."""

    def __init__(self, options: TrainOptions, tracking_uri: str | None) -> None:
        self._bar = RunDisplay("pairs")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def say(self, line: str) -> None:
        self._bar.say(line)

    def step(self, step: int, total: int, images: int, losses: dict[str, float]) -> None:
        self._bar.reach(
            step * images, total * images, "  ".join(f"{name} {value:.2f}" for name, value in losses.items())
        )
