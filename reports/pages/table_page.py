"""Tables as an HTML page."""

from __future__ import annotations

from talkbench.reports.pages.templates import render
from talkbench.reports.tables.table import Table


def to_html(*tables: Table) -> str:
    """A whole HTML page with the tables and their notes."""
    title = tables[0].title if len(tables) == 1 else "Tables"
    return render("table_page.html", title=title, tables=tables)


def table_html(table: Table) -> str:
    """A table and its notes as a part of some other page, without style."""
    return render("table_part.html", table=table)
