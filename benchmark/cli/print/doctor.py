"""What `bench doctor` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from talkbench.benchmark.cli.print.console import SIGNS, console, facts_table

if TYPE_CHECKING:
    from rich.table import Table

    from talkbench.benchmark.doctor import Part

LONG = {"libraries", "methods", "metrics"}
"""Sections whose parts are only named, unless all is asked for."""


def print_sections(sections: Mapping[str, Sequence[Part]], everything: bool) -> None:
    """A block for each section, in it a line for each part; what is missing is told with its remedy.

    Args:
        everything: whether the parts of long sections have lines too; else their names stand together.
    """
    output, short = console(), False
    for heading, parts in sections.items():
        count = f": {sum(bool(part.ok) for part in parts)} of {len(parts)} are here" if heading in LONG else ""
        output.print(Text(f"{heading}{count}", style="bold"))
        named = heading in LONG and not everything
        short = short or (named and not all(part.ok for part in parts))
        output.print(_names(parts) if named else _lines(parts), soft_wrap=not output.is_terminal)
        output.print()
    if short:
        output.print(Text("bench doctor --all says of each what is missing and where it comes from", style="dim"))


def _names(parts: Sequence[Part]) -> Table:
    table = facts_table()
    for ok in (True, False):
        names = ", ".join(part.name for part in parts if part.ok is ok)
        if names:
            table.add_row(Text("  ").append_text(SIGNS[ok]), Text(names))
    return table


def _lines(parts: Sequence[Part]) -> Table:
    table = facts_table()
    for part in parts:
        label = Text("  ").append_text(SIGNS[part.ok] if part.ok is not None else Text(" ")).append(f" {part.name}")
        table.add_row(label, Text(part.about if part.ok is not False else f"{part.about}: {part.remedy}"))
    return table
