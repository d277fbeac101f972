"""What the `bench` command shows: progress, lists and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from talkbench.benchmark.run import Progress as RunProgress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic

if TYPE_CHECKING:
    from talkbench.training.session import TrainProgress

STDERR = Console(stderr=True, highlight=False)


class _Rate(ProgressColumn):
    """Units per second; what a continued run had done before is not counted."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


def _bar(unit: str) -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn()]
    return Progress(*columns, console=STDERR, transient=False)


class RunDisplay(RunProgress):
    """Progress bar and messages on standard error; a context manager."""

    def __init__(self, unit: str = "pairs") -> None:
        self._unit = unit
        self._progress = _bar(unit)
        self._task = None

    def __enter__(self) -> RunDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        STDERR.print(Text(line))

    def warn(self, line: str) -> None:
        STDERR.print(Text(f"warning: {line}", style="yellow"))

    def start(self, done: int, total: int) -> None:
        self._progress.start()
        self._task = self._progress.add_task(self._unit, total=total, completed=done)

    def advance(self, count: int) -> None:
        assert self._task is not None
        self._progress.advance(self._task, count)


@contextmanager
def train_display() -> Iterator[TrainProgress]:
    """A progress bar with the latest losses."""
    from talkbench.training.session import TrainProgress

    with _bar("steps") as progress:
        task = progress.add_task("training", total=None)

        class Display(TrainProgress):
            def say(self, line: str) -> None:
                progress.console.print(Text(line))

            def step(self, step: int, total: int, losses: dict[str, float]) -> None:
                shown = "  ".join(f"{name} {value:.2f}" for name, value in losses.items())
                progress.update(task, total=total, completed=step, description=shown)

        yield Display()


def print_list(what: str) -> None:
    """The entries of a registry with a line on each."""
    rows = {"methods": _methods, "metrics": _metrics, "datasets": _datasets}[what]()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in rows[0]:
        table.add_column(heading, overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _methods() -> list[Sequence[str]]:
    from talkbench import methods
    from talkbench.methods.cards import card, describe

    rows: list[Sequence[str]] = [("name", "year", "what it is")]
    for name in methods.registry.names():
        rows.append((name, str(card(name).get("year", "")), describe(name)))
    return rows


def _metrics() -> list[Sequence[str]]:
    from talkbench import metrics

    rows: list[Sequence[str]] = [("name", "better", "unit", "what it is")]
    for name in metrics.registry.names():
        known = metrics.create(name).card()
        about = f"{known.about} (not available here: {known.problem})" if known.problem else known.about
        rows.append((known.variant, known.direction, known.unit, about))
    return rows


def _datasets() -> list[Sequence[str]]:
    from talkbench import datasets

    rows: list[Sequence[str]] = [("name", "tasks", "what it is")]
    for name in datasets.registry.names():
        data = datasets.create(name)
        rows.append((name, ", ".join(data.tasks), str(data.card["title"])))
    return rows


def write_tables(runs: Sequence[Path], form: str, out: Path | None) -> None:
    """Table 1(a) with the runs beside it, then all measured metrics, in the format `form`."""
    from talkbench.reports.tables import Run, measured_table, published_table
    from talkbench.reports.terminal import print_table
    from talkbench.reports.writers import to_csv, to_html, to_latex, to_markdown
    from talkbench.results import RunStore

    loaded = [Run.load(RunStore(path)) for path in runs]
    tables = [published_table(loaded), *([measured_table(loaded)] if loaded else [])]
    if form == "terminal":
        if out:
            raise TalkbenchError("--format terminal goes to the terminal; leave --out out or choose another format")
        for table in tables:
            print_table(table)
        return
    writer = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "html": to_html}[form]
    text = "\n".join(writer(table) for table in tables)
    if out:
        write_atomic(out, text)
    else:
        print(text)
