"""Progress and messages on standard error."""

from __future__ import annotations

import sys

from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from talkbench.benchmark.progress import Progress as WorkProgress
from talkbench.core.console import VisibleConsole
from talkbench.core.text import VisibleStream, visible

STDERR = VisibleConsole(stderr=True, highlight=False)


def say(text: str, style: str = "") -> None:
    """Print a message on standard error, on one line, whatever its length."""
    STDERR.print(Text(visible(text), style=style), soft_wrap=True)


class _Rate(ProgressColumn):
    """Units per second; the units that a continued run had done before do not count."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


class _Bar(Progress):
    """A bar that leaves no way past `core.text` to what others print meanwhile, which Rich prints above the bar."""

    def start(self) -> None:
        super().start()
        sys.stdout, sys.stderr = (
            VisibleStream(stream) if isinstance(stream, FileProxy) else stream  # type: ignore[arg-type]
            for stream in (sys.stdout, sys.stderr)
        )


def _bar(unit: str) -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn()]
    # A batch may take minutes, so speed is judged over more than Rich's half minute.
    return _Bar(*columns, console=STDERR, speed_estimate_period=600)


class RunDisplay(WorkProgress):
    """Progress bar and messages on standard error; a context manager."""

    def __init__(self, unit: str = "pairs") -> None:
        self._unit = unit
        self._progress = _bar(unit)
        self._task: TaskID | None = None

    def __enter__(self) -> RunDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:  # Rich prints an empty line even for a bar that never started
            self._progress.stop()

    def say(self, line: str) -> None:
        say(line)

    def warn(self, line: str) -> None:
        say(f"warning: {line}", style="yellow")

    def start(self, done: int, total: int) -> None:
        self._progress.start()
        self._task = self._progress.add_task(self._unit, total=total, completed=done)

    def advance(self, count: int) -> None:
        assert self._task is not None
        self._progress.advance(self._task, count)

    def reach(self, done: int, total: int, description: str) -> None:
        """Set the bar to `done` of `total` units; the `description` replaces the name of the unit before the bar."""
        if self._task is None:
            self.start(done, total)
        assert self._task is not None
        self._progress.update(self._task, completed=done, description=description)


class DownloadBar:
    """Context manager with a bar on standard error for the bytes of a download (`core.model_files.Bar`)."""

    total = 0

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=STDERR, transient=True)
        self._progress.disable = not self._progress.console.is_terminal
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
