"""Tables of published and measured numbers, in the layouts of the papers or of one's own.

Cells that may not be compared carry a mark: measured cells whose protocol is not the published one,
published cells carried over from another publication (docs/specs/evaluation.md 8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest

from talkbench.core.errors import TalkbenchError
from talkbench.reports.numbers import format_interval, heading, share
from talkbench.reports.runs import Run
from talkbench.reports.statistics.intervals import count_clusters, interval
from talkbench.reports.tables.layout import Layout, Row, keys, load_layout, names
from talkbench.reports.tables.legend import BEST, about, contradictions, legend
from talkbench.reports.tables.measured_cells import Entry, column_entry, entry, finish
from talkbench.reports.tables.table import LETTERS, SYMBOLS, Block, Cell, Line, Notes, Table
from talkbench.results import MetricSpec, RunRecord
from talkbench.results.published import PublishedCell


@dataclass
class _Measured:
    """A line of measured numbers: per group of columns, the run they are from, and per column the number."""

    runs: tuple[Run | None, ...]
    entries: tuple[Entry | None, ...] = ()

    @property
    def filled(self) -> bool:
        """Whether there is any number."""
        return any(made and made.spec for made in self.entries)


def published_table(runs: Sequence[Run], name: str | None = None) -> Table:
    """A table of the papers as printed, with the measured `runs` in the lines they belong to, and below.

    Args:
        name: one of `talkbench.reports.tables.layout.names`; None: the first that the runs touch, else ``1a``.

    Raises:
        TalkbenchError: no layout of that name.
    """
    return layout_table(load_layout(name or touched(runs)[0]), runs)


def touched(runs: Sequence[Run]) -> list[str]:
    """The tables of the papers in which every run has a place, as few as will do; ``1a`` if there is none."""
    chosen: list[str] = []
    for run in runs:
        homes = _places(run, names())
        if homes and not set(homes) & set(chosen):
            chosen.append(homes[0])
    return sorted(chosen) or ["1a"]


def _places(run: Run, tables: Sequence[str]) -> list[str]:
    """The tables that have a line for the run, else those of its data set and task."""
    layouts = {name: load_layout(name) for name in tables}
    lines = [name for name, layout in layouts.items() if _row_of(run, layout) is not None]
    return lines or [name for name, layout in layouts.items() if any(g.holds(run.record) for g in layout.groups)]


def of_tables(runs: Sequence[Run], tables: Sequence[str]) -> list[list[Run]]:
    """For each of the `tables` the runs to show there: where they have a line or are of its data set, else in the first
    table of their task, else in the first."""
    shown: dict[str, list[Run]] = {name: [] for name in tables}
    for run in runs:
        task = [name for name in tables if any(run.record.dataset.task in g.tasks for g in load_layout(name).groups)]
        for name in _places(run, tables) or [*task, *tables][:1]:
            shown[name].append(run)
    return list(shown.values())


def layout_table(
    layout: Layout,
    runs: Sequence[Run],
    with_published: bool = True,
    with_measured: bool = True,
    intervals: bool = False,
) -> Table:
    """The table of a layout.

    Args:
        runs: those of a row's method on a group's data set stand in that row, all others below.
        with_published, with_measured: what to show; of both, also the difference.
        intervals: below each measured number its 95 % interval, the numbers of pairs and clusters, and the coverage.
    """
    letters, symbols = Notes(LETTERS), Notes(SYMBOLS)
    printed = _printed(layout)
    rows, below = _arrange(layout, runs if with_measured else ())
    lines = [*chain.from_iterable(rows), *below]
    _fill(lines, layout, printed)
    without = [measured for measured in below if not measured.filled]
    below = [measured for measured in below if measured.filled]
    labels = [label for place in (*rows, below) for label in _labels(place)]
    main: list[Line] = []
    for number, row in enumerate(layout.rows):
        cells = [column.get(number) for column in printed]
        if with_published:
            main.append(_published_line(row, cells, letters))
        for measured in rows[number]:
            label, depth = labels.pop(0), int(with_published)
            named = f"{row.label}: {label}" if row.label and not with_published else label
            main += _measured_lines(measured, named, symbols, depth, intervals)
            if with_published and any(cells):
                main.append(_difference(measured, cells, letters, symbols))
    title = {(True, True): "Published and measured", (True, False): "Published"}.get(
        (with_published, any(rows)), "Measured"
    )
    rest = [line for measured in below for line in _measured_lines(measured, labels.pop(0), symbols, 0, intervals)]
    if not with_published:
        main, rest = [*main, *rest], []
    blocks = [Block(head, tuple(block)) for head, block in ((title, main), ("Measured", rest)) if block]
    used = [run for run in runs if with_measured]
    return Table(
        title=layout.title,
        columns=_headings(layout, printed, used),
        groups=tuple((group.heading, len(group.columns)) for group in layout.groups)
        if any(group.heading for group in layout.groups)
        else (),
        blocks=tuple(blocks),
        notes=letters.listed() + symbols.listed(),
        remarks=(
            *legend(layout, with_published, bool(lines), any(rows)),
            *about(used, intervals),
            *_left_out(without),
            *layout.remarks,
        ),
        contradictions=contradictions(layout) if with_published else (),
    )


def measured_table(runs: Sequence[Run], intervals: bool = False) -> Table:
    """All metrics that any of the `runs` has, one column each.

    Raises:
        TalkbenchError: there are no runs.
    """
    if not runs:
        raise TalkbenchError("no runs to tabulate; give the folder of at least one run")
    specs = {spec.name: spec for run in runs for spec in run.record.metrics}
    conditions = [_conditions(run.record) for run in runs]
    columns = []
    for name in specs:
        entries = [entry(run, [name], name) for run in runs]
        if len(set(conditions)) > 1:
            for made, text in zip(entries, conditions, strict=True):
                if made.spec:
                    made.notes.append(text)
        finish(entries)
        columns.append(entries)
    notes = Notes(SYMBOLS)
    lines = [_Measured((run,), tuple(column[number] for column in columns)) for number, run in enumerate(runs)]
    labels = _labels(lines)
    shown = [
        line
        for measured, label in zip(lines, labels, strict=True)
        for line in _measured_lines(measured, label, notes, 0, intervals)
    ]
    remarks = [f"All rows: {conditions[0]}."] if len(set(conditions)) == 1 else []
    return Table(
        title="All measured metrics",
        columns=tuple(heading(spec.name, spec.unit, spec.direction) for spec in specs.values()),
        blocks=(Block("Measured", tuple(shown)),),
        notes=notes.listed(),
        remarks=(*remarks, BEST, *about(runs, intervals)),
    )


def _printed(layout: Layout) -> list[dict[int, PublishedCell]]:
    """Per column, by the number of the row, what the paper prints."""
    columns = []
    for group, column in layout.columns:
        cells = [cell for cell in group.cells() if cell.metric == column.metric]
        columns.append(
            {
                number: cell
                for number, row in enumerate(layout.rows)
                for cell in cells
                if row.published and row.published in keys(cell)
            }
        )
    return columns


def _row_of(run: Run, layout: Layout) -> int | None:
    """The number of the row that the run belongs in."""
    if any(group.holds(run.record) for group in layout.groups):
        for number, row in enumerate(layout.rows):
            if run.record.method.name in row.methods:
                return number
    return None


def _arrange(layout: Layout, runs: Sequence[Run]) -> tuple[list[list[_Measured]], list[_Measured]]:
    """The lines of runs per row, and those below. Runs of a method with the same weights on different data sets share
    a line, each in the columns of its own."""
    rows: list[list[_Measured]] = [[] for _ in layout.rows]
    below = []

    def system(run: Run) -> tuple[int, str, str]:
        row = _row_of(run, layout)
        return -1 if row is None else row, run.record.method.name, run.record.method.checkpoint_sha256 or ""

    order = {key: number for number, key in enumerate(dict.fromkeys(map(system, runs)))}
    for (row, *_), mine in groupby(sorted(runs, key=lambda run: order[system(run)]), key=system):
        shares = list(mine)
        lists = [[run for run in shares if group.holds(run.record)] for group in layout.groups]
        merged = [_Measured(tuple(line)) for line in zip_longest(*lists)]
        alone = [run for run in shares if not any(group.holds(run.record) for group in layout.groups)]
        if row >= 0:
            rows[row] += merged
        else:
            below += [*merged, *(_elsewhere(run, layout) for run in alone)]
    return rows, below


def _elsewhere(run: Run, layout: Layout) -> _Measured:
    """A run on a data set that the layout does not have stands in the first columns of its task."""
    tasks = [run.record.dataset.task in group.tasks for group in layout.groups]
    place = tasks.index(True) if any(tasks) else 0
    return _Measured(tuple(run if number == place else None for number in range(len(layout.groups))))


def _fill(lines: Sequence[_Measured], layout: Layout, printed: Sequence[dict[int, PublishedCell]]) -> None:
    """Set the numbers of all lines, compared column by column."""
    columns = []
    for (group, column), cells in zip(layout.columns, printed, strict=True):
        decimals = next((int(cell.decimals) for cell in cells.values() if cell.value), None)
        runs = [line.runs[layout.groups.index(group)] for line in lines]
        entries = [column_entry(run, group, column, decimals) if run else None for run in runs]
        finish([made for made in entries if made])
        columns.append(entries)
    for number, line in enumerate(lines):
        line.entries = tuple(entries[number] for entries in columns)


def _headings(layout: Layout, printed: Sequence[dict[int, PublishedCell]], runs: Sequence[Run]) -> tuple[str, ...]:
    heads = []
    specs = {spec.name: spec for run in runs for spec in run.record.metrics}
    for (_, column), cells in zip(layout.columns, printed, strict=True):
        known: list[PublishedCell | MetricSpec] = [
            *cells.values(),
            *(specs[name] for name in column.variants if name in specs),
        ]
        heads.append(heading(column.metric, known[0].unit, known[0].direction) if known else column.metric)
    return tuple(heads)


_PAPERS = {
    "fomm": "FOMM",
    "marionette": "MarioNETte",
    "meshg": "MeshG",
    "dagan": "DaGAN",
    "mraa": "MRAA",
    "tpsm": "TPSM",
}

_MEASURED_BY = {
    "own": "cells without a letter: a model of the paper's authors, measured by them",
    "remeasured": "cells without a letter: another group's model, measured by the paper's authors",
}


def _published_line(row: Row, cells: Sequence[PublishedCell | None], notes: Notes) -> Line:
    known = [cell for cell in cells if cell]
    origins = dict.fromkeys(cell.provenance for cell in known if cell.provenance in _MEASURED_BY)
    shown = tuple(
        Cell(cell.value or "–", best=cell.bold == "yes", marks=_provenance(cell, notes)) if cell else Cell("")
        for cell in cells
    )
    marks = tuple(notes.mark(_MEASURED_BY[origin]) for origin in origins)
    return Line(row.label or known[0].system, shown, marks, "published")


def _provenance(cell: PublishedCell, notes: Notes) -> tuple[str, ...]:
    if cell.provenance.startswith("carried:"):
        source = cell.provenance.removeprefix("carried:")
        paper = _PAPERS.get(source, source)
        return (notes.mark(f"carried over by the authors from the {paper} paper, made by another protocol"),)
    if cell.provenance == "uncertain":
        return (notes.mark("origin uncertain, possibly a copying slip"),)
    return ()


def _measured_lines(measured: _Measured, label: str, notes: Notes, indent: int, intervals: bool) -> list[Line]:
    cells = tuple(
        Cell(made.text, made.best, tuple(notes.mark(text) for text in made.notes), made.second) if made else Cell("")
        for made in measured.entries
    )
    lines = [Line(label, cells, indent=indent)]
    if intervals:
        kinds = ("95 % interval", "pairs/clusters", "coverage")
        columns = [_certainty(made) for made in measured.entries]
        lines += [
            Line(kind, tuple(Cell(text) for text in texts), kind=kind, indent=indent + 1)
            for kind, texts in zip(kinds, zip(*columns, strict=True), strict=True)
        ]
    return lines


def _certainty(made: Entry | None) -> tuple[str, str, str]:
    """The interval of a measured mean, over how many pairs and clusters, and the share of pairs that could be used."""
    if made is None or made.spec is None or made.result is None or made.run.rows is None:
        return "", "", ""
    of_mean = made.run.rows, made.spec, made.run.record.missing_faces, made.run.cluster
    found = interval(*of_mean)
    text = format_interval(found.low, found.high, made.spec) if found else "n/a"
    return text, f"{made.result.pairs}/{count_clusters(*of_mean)}", share(made.result.coverage)


def _difference(measured: _Measured, cells: Sequence[PublishedCell | None], letters: Notes, symbols: Notes) -> Line:
    return Line(
        "difference",
        tuple(
            _difference_cell(made, cell, letters, symbols) for made, cell in zip(measured.entries, cells, strict=True)
        ),
        kind="difference",
        indent=2,
    )


def _difference_cell(made: Entry | None, cell: PublishedCell | None, letters: Notes, symbols: Notes) -> Cell:
    """Measured minus published where both are of one protocol as far as is known; else why there is none."""
    if made is None or cell is None or not cell.value or made.spec is None:
        return Cell("")
    if made.result is None or made.result.mean is None:
        return Cell("n/a")
    marks = _provenance(cell, letters)
    if made.departures or cell.provenance.startswith("carried:"):
        return Cell("n/a", marks=marks + tuple(symbols.mark(text) for text in made.departures))
    value = made.result.mean * made.spec.scale - float(cell.value)
    return Cell(f"{value:+z.{made.spec.decimals}f}".replace("-", "−"), marks=marks)


def _labels(lines: Sequence[_Measured]) -> list[str]:
    """What each line of measured numbers is called; runs of one name are told apart by their ids."""
    of_lines = [[run for run in line.runs if run] for line in lines]
    methods = [runs[0].record.method.name for runs in of_lines]
    labels = []
    for method, runs in zip(methods, of_lines, strict=True):
        if Counter(methods)[method] > 1:
            method += f", run {' and '.join(run.record.run_id for run in runs)}"
        labels.append(f"{method} ({'; '.join(dict.fromkeys(map(_sample, runs)))})")
    return labels


def _sample(run: Run) -> str:
    """``n = 200``, with what a reader must know about the row."""
    total, done = run.record.dataset.pairs, run.summary.pairs
    count = f"n = {total}" if done == total else f"incomplete, n = {done} of {total}"
    if run.record.method.frames:
        count += ", frames given"
    return count if run.record.method.ranked else f"{count}, not ranked"


def _left_out(lines: Sequence[_Measured]) -> list[str]:
    names = [run.record.run_id for measured in lines for run in measured.runs if run]
    return [f"Left out, since they have none of these metrics: {', '.join(names)}."] if names else []


def _conditions(record: RunRecord) -> str:
    data = record.dataset
    return f"{data.name}, {data.task}, {data.motion} motion, {data.pairs} pairs, {data.image_size} px"
