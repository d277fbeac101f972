"""Progress and messages on standard error."""

from __future__ import annotations

import logging
import sys
import time
from datetime import timedelta
from typing import Self

from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from talkbench.benchmark.cli.output import says
from talkbench.benchmark.progress import Progress as WorkProgress
from talkbench.core.console import VisibleConsole
from talkbench.core.text import VisibleStream, visible

STDERR = VisibleConsole(stderr=True, highlight=False)


FIRST, BETWEEN = 5.0, 30.0
"""Seconds after which the progress has its first line where there is no bar, and from one line to the next."""


def say(text: str, style: str = "", level: int = logging.INFO) -> None:
    """Print a message on standard error, on one line, whatever its length; nothing where the user wants to hear less
    than its `level`."""
    if says(level):
        STDERR.print(Text(visible(text), style=style), soft_wrap=True)


class _Count(MofNCompleteColumn):
    """How many units of how many are done; nothing before there are any."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.total is not None else Text()


class _Rate(ProgressColumn):
    """Units per second; the units that a continued run had done before do not count."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


class _Times(ProgressColumn):
    """How long it has taken, and how long it will."""

    def render(self, task: Task) -> Text:
        left = f", {_clock(task.time_remaining)} left" if task.speed and task.time_remaining else ""
        return Text(f"{_clock(task.elapsed or 0)}{left}")


class _Bar(Progress):
    """A bar that leaves no way past `core.text` to what others print meanwhile, which Rich prints above the bar."""

    def start(self) -> None:
        super().start()
        sys.stdout, sys.stderr = (
            VisibleStream(stream) if isinstance(stream, FileProxy) else stream  # type: ignore[arg-type]
            for stream in (sys.stdout, sys.stderr)
        )


def _bar(unit: str) -> Progress:
    columns = [SpinnerColumn("line"), TextColumn("{task.description}"), BarColumn(), _Count(), _Rate(unit), _Times()]
    # A batch may take minutes, so speed is judged over more than Rich's half minute.
    return _Bar(*columns, console=STDERR, speed_estimate_period=600)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


class RunDisplay(WorkProgress):
    """Progress and messages on standard error; a context manager.

    On a terminal something moves from its beginning on: a bar, whose length is known when the work begins. Elsewhere,
    in a log for example, there is a line after `FIRST` seconds and then every `BETWEEN`, and one at the end.
    """

    def __init__(self, unit: str = "pairs") -> None:
        self._unit = unit
        self._progress = _bar(unit)
        self._live = says(logging.INFO) and STDERR.is_terminal and not STDERR.is_dumb_terminal
        self._task: TaskID | None = None
        self._before = self._done = self._total = 0
        self._workers = ""
        self._began = self._due = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._task = self._progress.add_task("preparing", total=None)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.live.transient = not self._total  # a bar of nothing is not left behind
            self._progress.stop()
        elif self._total:
            say(f"{self._unit} {self._done}/{self._total} in {_clock(time.monotonic() - self._began)}")

    def say(self, line: str) -> None:
        say(line)

    def warn(self, line: str) -> None:
        say(f"warning: {line}", "yellow", logging.WARNING)

    def start(self, done: int, total: int) -> None:
        self._before, self._done, self._total = done, done, total
        self._began = time.monotonic()
        self._due = self._began + FIRST
        if self._task is not None:
            self._progress.reset(self._task, total=total, completed=done, description=self._unit)

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if self._task is not None:
            self._progress.advance(self._task, count)
        elif now >= self._due and self._before < self._done < self._total:
            speed = (self._done - self._before) / (now - self._began)
            left = _clock((self._total - self._done) / speed)
            say(f"{self._unit} {self._done}/{self._total}, {speed:.1f} {self._unit}/s, {left} left{self._workers}")
            self._due = now + BETWEEN

    def workers(self, alive: int, total: int) -> None:
        self._workers = f", {alive} of {total} workers"
        if self._task is not None:
            self._progress.update(self._task, description=f"{self._unit}{self._workers}")

    def reach(self, done: int, total: int, description: str) -> None:
        """Set the bar, if there is one, to `done` of `total` units; the `description` replaces the name of the unit
        before it."""
        if self._task is None:
            return
        if not self._total:
            self.start(done, total)
        self._progress.update(self._task, completed=done, description=description)


class DownloadBar:
    """Context manager with a bar on standard error for the bytes of a download (`core.model_files.Bar`)."""

    total = 0

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=STDERR, transient=True)
        self._progress.disable = not (says(logging.INFO) and self._progress.console.is_terminal)
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> DownloadBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, count: int) -> None:
        self._progress.update(self._task, total=self.total, advance=count)

    def close(self) -> None:
        self._progress.stop()
