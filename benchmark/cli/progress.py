"""What the `bench` command shows: progress, lists and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from talkbench.benchmark.progress import Progress as WorkProgress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic

if TYPE_CHECKING:
    from talkbench.benchmark.evaluation.grid import Cell
    from talkbench.reports.runs import MissingFaces, Run
    from talkbench.reports.tables.table import Table as ReportTable

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
    # A batch may take minutes, so speed is judged over more than Rich's half minute.
    return Progress(*columns, console=STDERR, speed_estimate_period=600)


def _line(text: str, style: str = "") -> None:
    """One message on standard error, on one line however long it is."""
    STDERR.print(Text(text, style=style), soft_wrap=True)


class RunDisplay(WorkProgress):
    """Progress bar and messages on standard error; a context manager."""

    def __init__(self, unit: str = "pairs") -> None:
        self._unit = unit
        self._progress = _bar(unit)
        self._task: TaskID | None = None

    def __enter__(self) -> RunDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:  # Rich ends even a bar that never was with an empty line
            self._progress.stop()

    def say(self, line: str) -> None:
        _line(line)

    def warn(self, line: str) -> None:
        _line(f"warning: {line}", style="yellow")

    def start(self, done: int, total: int) -> None:
        self._progress.start()
        self._task = self._progress.add_task(self._unit, total=total, completed=done)

    def advance(self, count: int) -> None:
        assert self._task is not None
        self._progress.advance(self._task, count)

    def reach(self, done: int, total: int, description: str) -> None:
        """`done` of `total` units are done; `description` replaces the unit before the bar."""
        if self._task is None:
            self.start(done, total)
        assert self._task is not None
        self._progress.update(self._task, completed=done, description=description)


def print_list(what: str) -> None:
    """The entries of a registry with a line on each, and the methods of which there are published numbers only; or the
    protocols."""
    from talkbench import datasets, methods, metrics
    from talkbench.benchmark.evaluation import protocol
    from talkbench.methods.cards import published_only

    kinds: dict[str, tuple[list[str], tuple[str, ...], Callable[[str], tuple[str, ...]]]] = {
        "methods": ([*methods.registry.names(), *published_only()], ("name", "year", "what it is"), _method),
        "metrics": (metrics.registry.names(), ("name", "better", "unit", "what it is"), _metric),
        "datasets": (datasets.registry.names(), ("name", "tasks", "what it is"), _dataset),
        "protocols": (protocol.names(), ("name", "metrics", "what it is"), _protocol),
    }
    entries, headings, describe = kinds[what]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for name in sorted(entries):
        try:
            row = describe(name)
        except (TalkbenchError, OSError) as error:  # one broken plugin must not hide the others
            row = (name, *[""] * (len(headings) - 2), f"broken: {error}")
        table.add_row(*(Text(cell) for cell in row))
    _console().print(table)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # other programs get one line per entry
    return console


def _method(name: str) -> tuple[str, ...]:
    from talkbench.methods.cards import card, describe, published_only

    about = f"{describe(name)} (published numbers only)" if name in published_only() else describe(name)
    return name, str(card(name).get("year", "")), about


def _metric(name: str) -> tuple[str, ...]:
    from talkbench import metrics

    known = metrics.create(name).card()
    if known.problem is None:
        return known.variant, known.direction, known.unit, known.about
    lacking, address, _ = known.problem.partition(" (")  # the addresses and folders of its files fill several lines
    problem = f"{lacking}, see bench weights" if address else lacking
    return known.variant, known.direction, known.unit, f"{known.about} (not available here: {problem})"


def _dataset(name: str) -> tuple[str, ...]:
    from talkbench import datasets

    data = datasets.create(name)
    return name, ", ".join(data.tasks), str(data.card["short"])


def _protocol(name: str) -> tuple[str, ...]:
    from talkbench.benchmark.evaluation.protocol import load

    known = load(name)
    return name, str(len(known.metrics)), known.about


@dataclass(frozen=True)
class TableOptions:
    """What ``bench tables`` was asked for.

    Attributes:
        tables: names of the papers' tables, or ``all``; empty: those that the runs touch.
        layout: a layout of one's own, in place of them or beside them.
        ablation: an ablation at demo size, in place of all of these.
        published, measured: one of them alone; both or neither: both, with the difference.
        missing: the rule for missing faces; None: each run's own.
    """

    form: str = "markdown"
    tables: tuple[str, ...] = ()
    layout: Path | None = None
    ablation: str | None = None
    published: bool = False
    measured: bool = False
    intervals: bool = False
    missing: MissingFaces | None = None
    out: Path | None = None


def print_grid(cells: Sequence[Cell]) -> None:
    """What became of each run of a grid: its folder, or why there is none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("method", "data set", "task", "", "folder or reason"):
        table.add_column(heading, overflow="fold")
    for cell in cells:
        names = (name or "any" for name in (cell.method, cell.dataset, cell.task))
        table.add_row(*(Text(text) for text in (*names, cell.state, cell.reason or str(cell.folder))))
    _console().print(table)


def write_table(runs: Sequence[Path], options: TableOptions) -> None:
    """Tables of the `runs` and of published numbers, on the terminal or in a file.

    Raises:
        TalkbenchError: there is nothing to show, an unknown table, a faulty layout, or damaged runs.
    """
    if options.out and options.form == "terminal":
        raise TalkbenchError("--format terminal goes to the terminal; leave --out out or choose another format")
    print_tables(_tables(_load(runs, options.missing), options), options.form, options.out)


def print_tables(tables: Sequence[ReportTable], form: str, out: Path | None = None) -> None:
    """`tables` as ``terminal``, ``markdown``, ``latex``, ``csv`` or ``html``, on the terminal or in the file `out`."""
    from talkbench.reports.tables.terminal import print_table
    from talkbench.reports.tables.writers import to_csv, to_html, to_latex, to_markdown

    if form == "terminal":
        for table in tables:
            print_table(table)
        return
    write = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "html": to_html}[form]
    if out:
        write_atomic(out, write(*tables))
    else:
        print(write(*tables), end="")


def _tables(runs: Sequence[Run], options: TableOptions) -> list[ReportTable]:
    from talkbench.benchmark.ablation import demo_layout
    from talkbench.reports.tables.composition import layout_table, measured_table, of_tables, touched
    from talkbench.reports.tables.layout import load_layout, names, read_layout

    if options.ablation:
        return [layout_table(demo_layout(options.ablation), runs, with_published=False, intervals=options.intervals)]
    both = options.published == options.measured
    if not (both or options.published or options.tables or options.layout):
        return [measured_table(runs, options.intervals)]
    chosen = options.tables
    if "all" in chosen or not (chosen or options.layout or both or runs):
        chosen = names()
    elif not (chosen or options.layout):
        chosen = tuple(touched(runs))
    wanted = list(zip(map(load_layout, chosen), of_tables(runs, chosen), strict=True))
    if options.layout:
        wanted.append((read_layout(options.layout), list(runs)))
    tables = [
        layout_table(layout, shown, options.published or both, options.measured or both, options.intervals)
        for layout, shown in wanted
    ]
    filled = [table for table in tables if table.blocks]
    if not filled:
        raise TalkbenchError("no runs to tabulate; give the folder of at least one run of these tables")
    return filled


def _load(paths: Sequence[Path], missing: MissingFaces | None) -> list[Run]:
    """The runs among `paths`: ``runs/*`` also names the MLflow store, which is passed over aloud."""
    from talkbench.benchmark.sharing.clusters import with_clusters
    from talkbench.reports.runs import load_runs
    from talkbench.results import RunStore

    others = [path for path in paths if path.exists() and not (path / "run.json").exists()]
    for path in others:
        _line(f"passed over, as it is not the folder of a run: {path}")
    if paths and len(others) == len(paths):
        raise TalkbenchError("no run to tabulate; give the folder of at least one")
    return with_clusters(load_runs([RunStore(path) for path in paths if path not in others], missing))
