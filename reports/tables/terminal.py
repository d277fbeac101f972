"""Results as tables in the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from talkbench.core.text import visible
from talkbench.reports.numbers import pairs_of
from talkbench.reports.tables.summary_lines import summary_lines
from talkbench.reports.tables.table import CONTRADICTIONS, SYSTEMS
from talkbench.results import RunRecord, Summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    from talkbench.reports.tables.table import Cell, Table


def print_terminal(record: RunRecord, summary: Summary, console: Console | None = None) -> None:
    """Print the numbers of a run: of each metric the mean, the pairs it was taken over, the failures by reason and, for
    faces and bodies, the coverage and the share missing in generated frames. The title says how many of the metrics
    that were asked for these are; the page says why others could not be computed.

    Args:
        console: where to print; the standard output by default.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from talkbench.core.console import VisibleConsole

    data = record.dataset
    title = f"{record.method.name} on {data.name}, {data.task}, {pairs_of(data.pairs)}"
    if record.method.numerics:
        title += f", {record.method.numerics}"
    if record.unavailable:
        computed = len(record.metrics)
        title += f", {computed} of {computed + len(record.unavailable)} metrics"
    table = Table(title=Text(title), box=box.SIMPLE_HEAD)
    headings, lines = summary_lines(record, summary)
    table.add_column(headings[0], min_width=max((len(spec.name) for spec in record.metrics), default=0))
    for heading in headings[1:-1]:
        table.add_column(heading, justify="right")
    table.add_column(headings[-1], overflow="fold", min_width=18)
    for cells in lines:
        table.add_row(*(Text(visible(cell)) for cell in cells))
    console = console or VisibleConsole()
    _print_whole(table, console)


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table with its notes; columns for which the terminal is too narrow follow below the others."""
    from talkbench.core.console import VisibleConsole

    console = console or VisibleConsole()
    for grid in _grids(table, console):
        _print_whole(grid, console)
    _print_notes(table, console)


def _grids(table: Table, console: Console) -> list[RichTable]:
    """The table in as few parts, of as many columns each, as fit into the terminal."""
    columns, grids = len(table.columns), [_grid(table, console.width)]
    for size in range(columns - 1, 0, -1):
        if all(_least_width(grid, console) <= console.width for grid in grids):
            break
        parts = (_columns(table, start, start + size) for start in range(0, columns, size))
        grids = [_grid(part, console.width) for part in parts]
    return grids


def _columns(table: Table, start: int, stop: int) -> Table:
    """Some of the columns of a table, with the headings above them."""
    headings = [(heading, 1) for heading, span in table.groups for _ in range(span)]
    blocks = [
        replace(block, lines=tuple(replace(line, cells=line.cells[start:stop]) for line in block.lines))
        for block in table.blocks
    ]
    return replace(table, columns=table.columns[start:stop], groups=tuple(headings[start:stop]), blocks=tuple(blocks))


def _grid(table: Table, room: int) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    lines = [line for block in table.blocks for line in block.lines]
    labels = [Text("  " * line.indent + visible(line.label)) + _marks(line.marks) for line in lines]
    longest = max([*map(len, labels), *(len(block.title) for block in table.blocks)], default=0)
    heads, label_width, gap = _fit(table, longest, room)
    grid = RichTable(title=Text(table.title), box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0))
    grid.add_column(table.corner, overflow="fold", width=label_width, vertical="bottom")
    for number, head in enumerate(heads):
        width = max(_width(head), *(_width(_styled(line.cells[number]).plain) for line in lines), 1)
        grid.add_column(Text(head, justify="right"), justify="right", width=width, no_wrap=True, vertical="bottom")
    rows = iter(zip(lines, labels, strict=True))
    for block in table.blocks:
        grid.add_section()
        grid.add_row(Text(block.title, style="italic"))
        for _ in block.lines:
            line, label = next(rows)
            grid.add_row(label, *map(_styled, line.cells), style="" if line.kind in SYSTEMS else "dim")
    return grid


def _fit(table: Table, longest_label: int, room: int) -> tuple[list[str], int, int]:
    """Fit the table into `room` columns of text.

    Returns:
        The headings, broken into short lines where there is little room; the width of the labels; and the blanks
        between columns, besides the one that the box has.
    """
    groups = [heading for heading, span in table.groups for _ in range(span)]
    heads = ["\n".join([*groups[number : number + 1], head]) for number, head in enumerate(table.columns)]
    lines = [line for block in table.blocks for line in block.lines]

    def left(heads: list[str], gap: int) -> int:
        columns = zip(heads, *([_styled(cell).plain for cell in line.cells] for line in lines), strict=True)
        return room - 2 - gap - sum(max(map(_width, texts)) + 1 + gap for texts in columns)

    gap = 1
    if left(heads, gap) < min(longest_label, 24):
        heads = [head.replace(" ", "\n", 1) for head in heads]
        gap = int(left(heads, 1) >= min(longest_label, 24))
    return heads, min(longest_label, max(16, left(heads, gap))), gap


def _width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _marks(marks: tuple[str, ...]) -> Text:
    from rich.text import Text

    between = "," if any(len(mark) > 1 for mark in marks) else ""
    return Text(f" {between.join(marks)}" if marks else "", style="cyan")


def _styled(cell: Cell) -> Text:
    from rich.text import Text

    text = cell.text.replace(" – ", " –\n")  # an interval
    return Text(text, style="bold" if cell.best else "underline" if cell.second else "") + _marks(cell.marks)


def _print_notes(table: Table, console: Console) -> None:
    """Print the texts of the marks, the remarks on the table and the contradictions in the papers, each indented."""
    from rich.table import Table as RichTable
    from rich.text import Text

    notes = RichTable.grid(padding=(0, 1))
    for mark, text in table.notes:
        notes.add_row(Text(mark, style="cyan"), Text(visible(text)))
    for text in table.remarks:
        notes.add_row(Text("·"), Text(text))
    console.print(notes)
    if table.contradictions:
        console.print(Text(f"{CONTRADICTIONS}:", style="italic"))
        contradictions = RichTable.grid(padding=(0, 1))
        for text in table.contradictions:
            contradictions.add_row(Text("·"), Text(text))
        console.print(contradictions)


def _print_whole(table: RichTable, console: Console) -> None:
    """Print a table without cutting digits off: in a narrow terminal its lines are too long, and wrap."""
    width = console.width
    console.width = max(width, _least_width(table, console))
    console.print(table)
    console.width = width


def _least_width(table: RichTable, console: Console) -> int:
    return console.measure(table, options=console.options.update(width=1000)).minimum
