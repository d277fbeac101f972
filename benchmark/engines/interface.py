"""What every engine does, and what work it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talkbench.benchmark.progress import Progress

ATTEMPTS = 3
"""How often a chunk is begun: a second and a third time if the worker that had it has died."""

LOGS = "logs"
"""The folder in a run's with a file for each worker."""


@dataclass(frozen=True)
class Place:
    """Where a worker works.

    Attributes:
        threads: that it computes with; None: as many as this process.
        gpu: the number of its own GPU; None: the work has chosen.
        here: whether it is this very process.
    """

    threads: int | None = None
    gpu: int | None = None
    here: bool = False


class Job(ABC):
    """Work on chunks. It is sent to the workers, so it must be possible to pickle it, and to open it on any machine."""

    @abstractmethod
    def open(self, place: Place) -> AbstractContextManager[Callable[[Any], Iterable[Any]]]:
        """Get ready once: a context manager with the function that gives the results of a chunk.

        A chunk may be begun again elsewhere, so the function must leave nothing but results.
        """


@dataclass(frozen=True)
class Watch:
    """Who watches the work.

    Attributes:
        logs: folder for a file of each worker; None: none are kept.
    """

    progress: Progress
    logs: Path | None = None

    def log(self, number: int, text: str) -> None:
        """Add lines to the file of a worker."""
        if text and self.logs is not None:
            self.logs.mkdir(parents=True, exist_ok=True)
            with self.log_file(number).open("a", encoding="utf-8") as file:
                file.write(text if text.endswith("\n") else f"{text}\n")

    def log_file(self, number: int) -> Path:
        """The file of a worker."""
        assert self.logs is not None
        return self.logs / f"worker-{number}.log"


class Engine(ABC):
    """Maps work over chunks.

    Attributes:
        name: as the user writes it, without what follows a colon.
        workers: how many there are.
        threads: that each computes with on the CPU.
    """

    name: str
    workers: int
    threads: int

    @abstractmethod
    def map(self, job: Job, chunks: Sequence[Any], watch: Watch) -> Iterator[Any]:
        """The results of all `chunks`, those of each chunk in their order.

        Raises:
            TalkbenchError: the work cannot begin or go on somewhere; what was given out before is sound.
        """
