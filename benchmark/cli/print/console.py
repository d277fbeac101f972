"""The console and the plain table that commands print with."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Standard output; if it is not a terminal, its lines are so wide that each entry stays on one line."""
    output = Console()
    if not output.is_terminal:
        output.width = 10_000
    return output


def list_table(*headings: str, right: Collection[str] = ()) -> Table:
    """A table without rules, whose texts are folded to the width of the terminal.

    Args:
        headings: of the columns.
        right: the headings of the columns that are aligned right.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
    return table
