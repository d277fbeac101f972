"""Tables of results, beside published ones or alone, on the terminal or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.benchmark.cli.progress import say
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic

if TYPE_CHECKING:
    from talkbench.reports.runs import MissingFaces, Run
    from talkbench.reports.tables.table import Table


@dataclass(frozen=True)
class TableOptions:
    """What the user asks for; see ``bench tables --help`` for each.

    Attributes:
        tables: names of the papers' tables, or ``all``; empty: the tables that the runs belong to.
        layout: a file with the user's own layout, in place of the `tables` or in addition to them.
        ablation: an ablation at demo size; its table is the only one.
        published, measured: if one is set, only those numbers; else both, with their difference.
        missing: the rule for missing faces; None: the rule of each run.
    """

    form: str = "markdown"
    tables: tuple[str, ...] = ()
    layout: Path | None = None
    ablation: str | None = None
    published: bool = False
    measured: bool = False
    intervals: bool = False
    missing: MissingFaces | None = None
    out: Path | None = None


def chosen_tables(runs: Sequence[Path], options: TableOptions) -> list[Table]:
    """The tables of the `runs` and of published numbers that the `options` ask for.

    Raises:
        TalkbenchError: there is nothing to show, a table is unknown, or a layout or a run is faulty.
    """
    if options.out and options.form == "terminal":
        raise TalkbenchError("--format terminal goes to the terminal; leave --out out or choose another format")
    return _tables(_load(runs, options.missing), options)


def write_tables(tables: Sequence[Table], form: str, out: Path | None = None) -> None:
    """Write the `tables` to the terminal, or to the file `out`; `form` is ``terminal``, ``markdown``, ``latex``,
    ``csv`` or ``html``."""
    from talkbench.reports.pages.table_page import to_html
    from talkbench.reports.tables.terminal import print_table
    from talkbench.reports.tables.writers import to_csv, to_latex, to_markdown

    if form == "terminal":
        for table in tables:
            print_table(table)
        return
    write = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "html": to_html}[form]
    if out:
        write_atomic(out, write(*tables))
    else:
        print(write(*tables), end="")


def _tables(runs: Sequence[Run], options: TableOptions) -> list[Table]:
    from talkbench.benchmark.ablation import demo_layout
    from talkbench.reports.tables.composition import layout_table, measured_tables, placed, touched
    from talkbench.reports.tables.layout import load_layout, names, read_layout

    both = options.published == options.measured
    with_published, with_measured = (options.published or both) and not options.ablation, options.measured or both
    chosen, layouts = options.tables, []
    if options.ablation:
        layouts = [demo_layout(options.ablation)]
    elif "all" in chosen or not (chosen or options.layout or both or runs):
        chosen = names()
    elif with_published and not (chosen or options.layout):
        chosen = tuple(touched(runs)) or (() if runs and with_measured else ("1a",))
    layouts += [*map(load_layout, chosen), *([read_layout(options.layout)] if options.layout else [])]
    members, others = placed(runs, layouts)
    tables = [
        layout_table(layout, of_layout, with_published, with_measured, options.intervals)
        for layout, of_layout in zip(layouts, members, strict=True)
    ]
    if others and (layouts or with_published):
        _name(others, bool(options.ablation or options.tables or options.layout), with_measured)
    tables = [table for table in tables if table.blocks]
    if with_measured and (others or not layouts):
        tables += measured_tables(others, options.intervals)
    if not tables:
        raise TalkbenchError("no runs to tabulate; give the folder of at least one run of these tables")
    return tables


def _name(runs: Sequence[Run], chosen: bool, shown: bool) -> None:
    """Say which runs no column of the tables, `chosen` ones or all of the papers, asks for, and whether they follow."""
    ids = ", ".join(run.record.run_id for run in runs)
    tables = "none of these tables" if chosen else "no table of the papers"
    place = "they follow in tables of their own" if shown else "they are not shown"
    say(f"{tables} has columns of the data set, task, motion, image size and metrics of these runs; {place}: {ids}")


def _load(paths: Sequence[Path], missing: MissingFaces | None) -> list[Run]:
    """The runs and entries among the `paths`. Others, such as the MLflow store in ``runs/*``, are skipped with a
    message; so are entries if there is a rule for missing faces: theirs is fixed."""
    from talkbench.benchmark.sharing.clusters import with_facts
    from talkbench.benchmark.sharing.comparison import read_run
    from talkbench.reports.runs import load_runs
    from talkbench.results import RunStore
    from talkbench.results.entries import ENTRY

    others = [path for path in paths if path.exists() and not (path / "run.json").exists()]
    for path in others:
        say(f"skipped, since it is not the folder of a run: {path}")
    entries = [path for path in paths if (path / ENTRY).is_file()]
    if missing:
        for path in entries:
            say(f"skipped, since an entry keeps its own rule for missing faces: {path}")
    runs = [path for path in paths if path not in [*others, *entries]]
    loaded = [*load_runs([RunStore(path) for path in runs], missing), *map(read_run, [] if missing else entries)]
    if paths and not loaded:
        raise TalkbenchError("no run to tabulate; give the folder of at least one")
    return with_facts(loaded)
