"""Tables of published and measured numbers, in the layouts of the papers or of one's own.

Cells that may not be compared carry a mark: measured cells whose protocol is not the published one,
published cells carried over from another publication (docs/specs/evaluation.md 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby, zip_longest

from talkbench.core.errors import TalkbenchError
from talkbench.reports.numbers import heading
from talkbench.reports.runs import Run
from talkbench.reports.tables.layout import Layout, keys, load_layout, names
from talkbench.reports.tables.legend import BEST, about, contradictions, legend
from talkbench.reports.tables.lines import LineWriter, MeasuredLine, label_lines
from talkbench.reports.tables.measured_cells import column_cell, finish, measured_cell
from talkbench.reports.tables.table import Line, Table, TableBlock
from talkbench.results import MetricSpec, RunRecord
from talkbench.results.published import PublishedCell


def published_table(runs: Sequence[Run], name: str | None = None) -> Table:
    """A table of the papers as printed, with the measured `runs` in the lines they belong to, and below.

    Args:
        name: one of `talkbench.reports.tables.layout.names`; None: the first that the runs touch, else ``1a``.

    Raises:
        TalkbenchError: no layout of that name.
    """
    return layout_table(load_layout(name or touched(runs)[0]), runs)


def touched(runs: Sequence[Run]) -> list[str]:
    """A few tables of the papers that together have a place for every run; ``1a`` if none has one."""
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
    runs_of: dict[str, list[Run]] = {name: [] for name in tables}
    for run in runs:
        task = [name for name in tables if any(run.record.dataset.task in g.tasks for g in load_layout(name).groups)]
        for name in _places(run, tables) or [*task, *tables][:1]:
            runs_of[name].append(run)
    return list(runs_of.values())


def layout_table(
    layout: Layout,
    runs: Sequence[Run],
    with_published: bool = True,
    with_measured: bool = True,
    intervals: bool = False,
) -> Table:
    """The table of a layout.

    Args:
        runs: runs of a row's method on a group's data set stand in that row, all others below.
        with_published, with_measured: which numbers to show; with both, their differences too.
        intervals: below each measured number its 95 % interval, the numbers of pairs and clusters, and the coverage.
    """
    runs = runs if with_measured else ()
    printed = _printed(layout)
    rows, below = _arrange(layout, runs)
    _fill([*chain.from_iterable(rows), *below], layout, printed)
    without, below = [line for line in below if not line.filled], [line for line in below if line.filled]
    for lines in (*rows, below):
        label_lines(lines)
    writer = LineWriter(intervals)
    main = _main_lines(layout, printed if with_published else None, rows, writer)
    other_lines = [line for measured in below for line in writer.measured(measured)]
    beside = any(rows)
    title = "Published and measured" if beside else "Published"
    blocks = ((title, main), ("Measured", other_lines)) if with_published else (("Measured", main + other_lines),)
    return Table(
        title=layout.title,
        columns=_headings(layout, printed, runs),
        groups=layout.headings,
        blocks=tuple(TableBlock(title, tuple(lines)) for title, lines in blocks if lines),
        notes=writer.notes,
        remarks=(
            *legend(layout, with_published, bool(runs), beside),
            *about(runs, intervals),
            *_left_out(without),
            *layout.remarks,
        ),
        contradictions=contradictions(layout) if with_published else (),
    )


def _main_lines(
    layout: Layout,
    printed: Sequence[dict[int, PublishedCell]] | None,
    rows: Sequence[Sequence[MeasuredLine]],
    writer: LineWriter,
) -> list[Line]:
    """The lines of the layout's rows: each printed line, then the measured ones with their differences from it; without
    `printed` the measured ones alone."""
    lines = []
    for number, (row, measured_lines) in enumerate(zip(layout.rows, rows, strict=True)):
        if printed is None:
            lines += [line for measured in measured_lines for line in writer.measured(measured, system=row.label)]
            continue
        cells = [column.get(number) for column in printed]
        lines.append(writer.published(row, cells))
        for measured in measured_lines:
            lines += writer.measured(measured, indent=1)
            if any(cells):
                lines.append(writer.difference(measured, cells))
    return lines


def measured_table(runs: Sequence[Run], intervals: bool = False) -> Table:
    """All metrics that any of the `runs` has, one column each.

    Raises:
        TalkbenchError: there are no runs.
    """
    if not runs:
        raise TalkbenchError("no runs to tabulate; give the folder of at least one run")
    specs = {spec.name: spec for run in runs for spec in run.record.metrics}
    conditions = [_conditions(run.record) for run in runs]
    alike = len(set(conditions)) == 1
    columns = []
    for name in specs:
        cells = [measured_cell(run, [name], name) for run in runs]
        for cell, text in zip(cells, conditions, strict=True):
            if cell.spec and not alike:
                cell.notes.append(text)
        finish(cells)
        columns.append(cells)
    writer = LineWriter(intervals)
    lines = [MeasuredLine((run,), tuple(column[number] for column in columns)) for number, run in enumerate(runs)]
    label_lines(lines)
    block = TableBlock("Measured", tuple(line for measured in lines for line in writer.measured(measured)))
    remarks = [f"All rows: {conditions[0]}."] if alike else []
    return Table(
        title="All measured metrics",
        columns=tuple(heading(spec.name, spec.unit, spec.direction) for spec in specs.values()),
        blocks=(block,),
        notes=writer.notes,
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


def _arrange(layout: Layout, runs: Sequence[Run]) -> tuple[list[list[MeasuredLine]], list[MeasuredLine]]:
    """The lines of runs per row, and the lines below all rows. Runs of a method with the same weights on different data
    sets share a line, each in the columns of its data set."""
    rows: list[list[MeasuredLine]] = [[] for _ in layout.rows]
    below = []

    def system(run: Run) -> tuple[int, str, str]:
        row = _row_of(run, layout)
        return -1 if row is None else row, run.record.method.name, run.record.method.checkpoint_sha256 or ""

    order = {key: number for number, key in enumerate(dict.fromkeys(map(system, runs)))}
    for (row, *_), of_system in groupby(sorted(runs, key=lambda run: order[system(run)]), key=system):
        members = list(of_system)
        lists = [[run for run in members if group.holds(run.record)] for group in layout.groups]
        merged = [MeasuredLine(tuple(line)) for line in zip_longest(*lists)]
        alone = [run for run in members if not any(group.holds(run.record) for group in layout.groups)]
        if row >= 0:
            rows[row] += merged
        else:
            below += [*merged, *(_elsewhere(run, layout) for run in alone)]
    return rows, below


def _elsewhere(run: Run, layout: Layout) -> MeasuredLine:
    """A run on a data set that the layout does not have stands in the first columns of its task."""
    tasks = [run.record.dataset.task in group.tasks for group in layout.groups]
    place = tasks.index(True) if any(tasks) else 0
    return MeasuredLine(tuple(run if number == place else None for number in range(len(layout.groups))))


def _fill(lines: Sequence[MeasuredLine], layout: Layout, printed: Sequence[dict[int, PublishedCell]]) -> None:
    """Set the numbers of all lines, compared column by column."""
    columns = []
    for (group, column), cells in zip(layout.columns, printed, strict=True):
        decimals = next((int(cell.decimals) for cell in cells.values() if cell.value), None)
        runs = [line.runs[layout.groups.index(group)] for line in lines]
        measured = [column_cell(run, group, column, decimals) if run else None for run in runs]
        finish([cell for cell in measured if cell])
        columns.append(measured)
    for number, line in enumerate(lines):
        line.cells = tuple(column[number] for column in columns)


def _headings(layout: Layout, printed: Sequence[dict[int, PublishedCell]], runs: Sequence[Run]) -> tuple[str, ...]:
    heads = []
    specs = {spec.name: spec for run in runs for spec in run.record.metrics}
    for (_, column), cells in zip(layout.columns, printed, strict=True):
        sources: list[PublishedCell | MetricSpec] = [
            *cells.values(),
            *(specs[name] for name in column.variants if name in specs),
        ]
        heads.append(heading(column.metric, sources[0].unit, sources[0].direction) if sources else column.metric)
    return tuple(heads)


def _left_out(lines: Sequence[MeasuredLine]) -> list[str]:
    names = [run.record.run_id for line in lines for run in line.runs if run]
    return [f"Left out, since they have none of these metrics: {', '.join(names)}."] if names else []


def _conditions(record: RunRecord) -> str:
    data = record.dataset
    return f"{data.name}, {data.task}, {data.motion} motion, {data.pairs} pairs, {data.image_size} px"
