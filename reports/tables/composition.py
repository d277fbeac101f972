"""Tables of published and measured numbers, in the layouts of the papers or of one's own.

Cells that may not be compared carry a mark: measured cells whose protocol is not the published one,
published cells carried over from another publication (docs/specs/evaluation.md 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby, zip_longest

from talkbench.core.errors import TalkbenchError
from talkbench.reports.numbers import heading, pairs_of
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
    return layout_table(load_layout(name or [*touched(runs), "1a"][0]), runs)


def tables_of(run: Run) -> list[Table]:
    """The table of the papers that asks for the run, with the run in it; if there is none, a measured one."""
    chosen = touched([run])
    return [published_table([run], name) for name in chosen] or measured_tables([run])


def touched(runs: Sequence[Run]) -> list[str]:
    """A few tables of the papers that together have a place for every run that any of them asks for."""
    chosen: list[str] = []
    for run in runs:
        homes = [
            name for name, place in zip(names(), _places(run, list(map(load_layout, names()))), strict=True) if place
        ]
        if homes and not set(homes) & set(chosen):
            chosen.append(homes[0])
    return sorted(chosen)


def _places(run: Run, layouts: Sequence[Layout]) -> list[bool]:
    """Of each layout, whether the run stands there: where it has a line, else wherever a column asks for it."""
    asking = [any(group.asks_for(run.record) for group in layout.groups) for layout in layouts]
    lines = [asked and _row_of(run, layout) is not None for asked, layout in zip(asking, layouts, strict=True)]
    return lines if any(lines) else asking


def placed(runs: Sequence[Run], layouts: Sequence[Layout]) -> tuple[list[list[Run]], list[Run]]:
    """For each of the `layouts` the runs to show there, and the runs that no column asks for."""
    places = [_places(run, layouts) for run in runs]
    of_layouts = [
        [run for run, place in zip(runs, places, strict=True) if place[number]] for number in range(len(layouts))
    ]
    return of_layouts, [run for run, place in zip(runs, places, strict=True) if not any(place)]


def layout_table(
    layout: Layout,
    runs: Sequence[Run],
    with_published: bool = True,
    with_measured: bool = True,
    intervals: bool = False,
) -> Table:
    """The table of a layout.

    Args:
        runs: runs of a row's method stand in that row, in the columns of their test, those of other methods below. Runs
            that no column asks for are named under the table.
        with_published, with_measured: which numbers to show; with both, their differences too.
        intervals: below each measured number its 95 % interval, the numbers of pairs and clusters, and the coverage.
    """
    (runs,), others = placed(runs if with_measured else (), [layout])
    printed = _printed(layout)
    rows, below = _arrange(layout, runs)
    _fill([*chain.from_iterable(rows), *below], layout, printed)
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
            *_left_out(others),
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


def measured_tables(runs: Sequence[Run], intervals: bool = False) -> list[Table]:
    """A table for each data set and task of the `runs`, of all metrics that any of its runs has, one column each.

    Raises:
        TalkbenchError: there are no runs.
    """
    if not runs:
        raise TalkbenchError("no runs to tabulate; give the folder of at least one run")
    tests: dict[str, list[Run]] = {}
    for run in runs:
        tests.setdefault(f"{run.record.dataset.name}, {run.record.dataset.task}", []).append(run)
    return [_measured_table(test, of_test, intervals) for test, of_test in tests.items()]


def _measured_table(test: str, runs: Sequence[Run], intervals: bool) -> Table:
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
        title=f"Measured on {test}: all metrics",
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
    """The number of the row of the run's method."""
    return next((number for number, row in enumerate(layout.rows) if row.has(run.record)), None)


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
        lists = [[run for run in members if group.asks_for(run.record)] for group in layout.groups]
        merged = [MeasuredLine(tuple(line)) for line in zip_longest(*lists)]
        if row >= 0:
            rows[row] += merged
        else:
            below += merged
    return rows, below


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


def _left_out(runs: Sequence[Run]) -> list[str]:
    named = ", ".join(run.record.run_id for run in runs)
    return [f"Not in this table, since no column is of their test and metrics: {named}."] if runs else []


def _conditions(record: RunRecord) -> str:
    data = record.dataset
    return f"{data.name}, {data.task}, {data.motion} motion, {pairs_of(data.pairs)}, {data.image_size} px"
