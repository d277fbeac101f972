"""`bench compare`: two runs on their common pairs, as a table, a page and a picture."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from talkbench.benchmark.sharing.clusters import with_facts
from talkbench.core.files import write_atomic
from talkbench.reports.pages.differences import draw_differences, figure_format
from talkbench.reports.pages.templates import render
from talkbench.reports.runs import Run
from talkbench.reports.statistics.paired import Paired, compare
from talkbench.reports.tables.comparison import comparison_table
from talkbench.reports.tables.table import Table
from talkbench.results import RunStore
from talkbench.results.entries import ENTRY, Entry
from talkbench.results.loading import check_result


@dataclass(frozen=True)
class CompareOptions:
    """What the user asks for; see ``bench compare --help`` for each."""

    run_a: Path
    run_b: Path
    metrics: tuple[str, ...] = ()
    across_protocols: bool = False
    figure: Path | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Compared:
    """Two runs, their difference in each metric, and the table of that."""

    a: Run
    b: Run
    differences: list[Paired]
    table: Table


def compare_runs(options: CompareOptions) -> Compared:
    """Compare two runs or entries; writes the page and the picture that the options name.

    Raises:
        TalkbenchError: a run cannot be read, the two cannot be compared (see `compare`), or the format of the picture
            is unknown.
    """
    form = figure_format(options.figure) if options.figure else ""
    a, b = with_facts([read_run(options.run_a), read_run(options.run_b)])
    comparison = compare(a, b, options.metrics, options.across_protocols)
    table = comparison_table(a, b, comparison)
    kinds = {*filter(None, [form]), *(["png"] if options.out else [])}
    pictures = {kind: draw_differences(a, b, comparison, kind) for kind in kinds}
    if options.figure:
        write_atomic(options.figure, pictures[form])
    if options.out:
        write_atomic(options.out, _page(table, a, b, pictures["png"]))
    return Compared(a, b, comparison, table)


def read_run(folder: Path) -> Run:
    """A run or an entry of the leaderboard, under its own rule for missing faces."""
    check_result(folder)
    if not (folder / ENTRY).is_file():
        return Run.load(RunStore(folder))
    entry = Entry.load(folder)
    return Run(entry.record, entry.summary, entry.rows())


def _page(table: Table, a: Run, b: Run, picture: bytes) -> str:
    """A page that needs no other file."""
    from PIL import Image

    return render(
        "paired.html",
        table=table,
        picture="data:image/png;base64," + base64.b64encode(picture).decode(),
        size=Image.open(io.BytesIO(picture)).size,
        runs=(a.record, b.record),
    )
