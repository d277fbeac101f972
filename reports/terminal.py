"""Results as tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talkbench.reports.numbers import ARROWS, counts, format_mean, format_value, share, unit_sign
from talkbench.results import RunRecord, Summary, by_reason

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from talkbench.reports.model import Table


def print_terminal(record: RunRecord, summary: Summary, console: Console | None = None) -> None:
    """The end of a run: each metric with its mean, the pairs it was taken over, for faces and bodies the coverage and
    the share that is missing in what was generated, and the failures by reason; then what could not be computed.

    Args:
        console: where to print; the standard output by default.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    data, videos = record.dataset, "videos" in record.aggregation
    title = Text(f"{record.method.name} on {data.name}, {data.task}, {data.pairs} pairs")
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("metric", min_width=max((len(spec.name) for spec in record.metrics), default=0))
    for heading in ("mean", *(["of videos"] if videos else []), "", "pairs", "coverage", "missing"):
        table.add_column(heading, justify="right")
    table.add_column("remarks", overflow="fold", min_width=18)
    for spec in record.metrics:
        result = summary.metric(spec.name)
        if result is None:
            continue
        others = {**result.failures, "infinite": result.infinite, **result.remarks}
        others["not evaluated yet"] = data.pairs - summary.pairs
        cells = [spec.name, format_mean(result, spec)]
        if videos:
            cells.append("" if result.video_mean is None else format_value(result.video_mean, spec))
        cells += [f"{unit_sign(spec.unit)} {ARROWS[spec.direction]}", str(result.pairs)]
        cells += [share(result.coverage), share(result.missing_generated)] if spec.extractor else ["", ""]
        table.add_row(*(Text(cell) for cell in [*cells, counts(others)]))
    console = console or Console()
    _print_whole(table, console)
    for reason, names in by_reason(record.unavailable).items():
        console.print(Text(f"not computed: {names}: {reason}", style="dim"), soft_wrap=True)


def print_table(table: Table, console: Console | None = None) -> None:
    """A table of `talkbench.reports.tables` with its notes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(title=Text(table.title), box=box.SIMPLE_HEAD)
    grid.add_column("System", overflow="fold", min_width=24)
    lines = [line for block in table.blocks for line in block.lines]
    for number, heading in enumerate(table.columns):
        longest = max(
            (len(" ".join([cell.text, *cell.marks])) for cell in (line.cells[number] for line in lines)), default=0
        )
        grid.add_column(Text(heading), justify="right", min_width=max(longest, len(heading)))
    for block in table.blocks:
        grid.add_section()
        grid.add_row(Text(block.title, style="italic"))
        for line in block.lines:
            cells = [
                Text(cell.text, style="bold" if cell.best else "") + Text(" ".join(["", *cell.marks]))
                for cell in line.cells
            ]
            grid.add_row(Text(line.label), *cells)
    console = console or Console()
    _print_whole(grid, console)
    for mark, text in table.notes:
        console.print(Text(f"{mark} {text}"))
    for text in table.remarks:
        console.print(Text(text))


def _print_whole(table: RichTable, console: Console) -> None:
    """Wider than a narrow terminal rather than with digits cut off: a line that wraps still says the number."""
    width = console.width
    console.width = max(width, console.measure(table, options=console.options.update(width=1000)).minimum)
    console.print(table)
    console.width = width
