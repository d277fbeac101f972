"""The console and the plain table that commands print with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.table import Table
from rich.text import Text

from talkbench.core.console import VisibleConsole
from talkbench.core.text import visible

LEAST = 20
"""Characters that a text needs in a column; where the terminal has fewer, a list is a block for each entry."""

SIGNS = {True: Text("✓", style="green"), False: Text("✗", style="yellow"), None: Text()}
"""Whether something is here; None: that is no question."""


def console() -> VisibleConsole:
    """Standard output; if it is not a terminal, its lines are so wide that each entry stays on one line."""
    output = VisibleConsole()
    if not output.is_terminal:
        output.width = 10_000
    return output


def print_entries(
    headings: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Collection[str] = (), whole: int = 1
) -> None:
    """A list: a line for each entry, below the headings; where the terminal is too narrow for that a block for each.

    Names, which come first, stay whole; other texts are folded where the terminal ends. Of nothing there is no list.

    Args:
        right: the headings of what is set flush right.
        whole: how many of the first cells are the name.
    """
    output = console()
    entries = [[cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row] for row in rows]
    if not entries:
        return
    widths = [max(len(cell) for cell in column) for column in zip(map(Text, headings), *entries, strict=True)]
    if output.width >= sum(widths[:whole]) + sum(min(width, LEAST) + 2 for width in widths[whole:]):
        table = list_table(*headings, right=right, whole=whole)
        for entry in entries:
            table.add_row(*entry)
        output.print(table)
        return
    for entry in entries:
        output.print(Text(" ".join(cell.plain for cell in entry[:whole]), style="bold"), overflow="fold")
        block = facts_table()
        for heading, cell in zip(headings[whole:], entry[whole:], strict=True):
            if cell:
                block.add_row(f"  {heading}", cell)
        output.print(block)


def list_table(*headings: str, right: Collection[str] = (), whole: int = 1) -> Table:
    """A table without rules, whose texts are folded to the width of the terminal.

    Args:
        headings: of the columns.
        right: the headings of the columns that are aligned right.
        whole: how many of the first columns are the name, which is not folded.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        justify = "right" if heading in right else "left"
        table.add_column(heading, overflow="fold", justify=justify, no_wrap=number < whole)  # type: ignore[arg-type]
    return table


def facts_table() -> Table:
    """A table of labels, which stay whole, and of what is said under each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
