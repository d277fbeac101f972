"""Standard output as the commands use it."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """The terminal; where something else reads, it gets each entry on one line."""
    output = Console()
    if not output.is_terminal:
        output.width = 10_000
    return output


def list_table(*headings: str, right: Collection[str] = ()) -> Table:
    """A table without lines, whose texts are folded where the terminal ends; `right`: what is set flush right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
    return table
