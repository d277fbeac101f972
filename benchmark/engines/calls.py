"""Any independent work for engines: functions without arguments, each of which is called once."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talkbench.benchmark.engines.choice import create_engine
from talkbench.benchmark.engines.interface import Job, Place, Watch
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home


@dataclass(frozen=True)
class Calls(Job):
    """Calls the functions that are its chunks. One that is called again, after its worker has died, must go on.

    Attributes:
        folder: the working folder, which relative paths start from; all machines must see it.
        home: the cache folder.
    """

    folder: Path
    home: Path

    @contextmanager
    def open(self, place: Place) -> Iterator[Callable[[Callable[[], Any]], Iterable[Any]]]:
        if not place.here:
            if not self.folder.is_dir():
                lacking = f"on {platform.node()}: there is no folder {self.folder}"
                raise TalkbenchError(f"{lacking}; work from a folder that all machines share")
            os.chdir(self.folder)
            os.environ["TALKBENCH_HOME"] = str(self.home)
        if place.gpu is not None:
            import torch

            torch.cuda.set_device(place.gpu)
        yield lambda call: [call()]


def call_all(
    calls: Sequence[Callable[[], Any]], engine: str, device: str, progress: Progress, logs: Path | None = None
) -> Iterator[Any]:
    """What the functions return, in the order in which they end.

    Args:
        engine: see `choice.check_engine`.
        device: the kind of device that they need.
        logs: see `Watch`.
    """
    if calls:
        job = Calls(Path.cwd(), home().absolute())
        yield from create_engine(engine, device, progress).map(job, calls, Watch(progress, logs))
