"""`bench tables`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import EXISTING, PATH, table_names
from talkbench.benchmark.cli.output import answer, json_option


@click.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--table", "tables", callback=table_names, metavar="NAMES",
    help="Tables to print, comma-separated: 1a, 1b, 2 of the MCNet paper, s1 to s7 of its supplement, or all.  "
    "[default: those that the runs belong to; without runs 1a]",
)  # fmt: skip
@click.option("--layout", type=EXISTING, help="A table of your own, as YAML; see Tables in the manual.")
@click.option(
    "--ablation", metavar="NAME",
    help="Print the runs of bench train --ablation NAME --config demo in the paper's layout; NAME is table2, table-s1, "
    "table-s2 or table-s7.",
)  # fmt: skip
@click.option("--published", is_flag=True, help="Print the published numbers alone; without RUNS, those of all tables.")
@click.option(
    "--measured",
    is_flag=True,
    help="Print the runs alone; without --table or --layout, with all their metrics, a table per data set and task.",
)
@click.option(
    "--intervals", is_flag=True, help="Add 95 % intervals over people or clips, the number of pairs, and the coverage."
)
@click.option(
    "--missing", type=click.Choice(["drop", "intersect", "worst"]),
    help="Pairs whose generated frame shows no face: drop leaves them out of their run, intersect leaves them out of "
    "all runs, worst gives them the worst value of the metric.  [default: the rule of each run]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["terminal", "markdown", "latex", "csv", "html"]), default="markdown",
    show_default=True, help="Format of the tables.",
)  # fmt: skip
@click.option("--out", type=PATH, help="File to write.  [default: the terminal]")
@json_option("tables, of each title, columns, groups, blocks with their lines and cells, notes, remarks; and out")
def command(runs: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Print results beside the published numbers.

    The layouts are those of the ten tables of the MCNet paper and its supplement, or your own. RUNS are folders of
    runs or entries; without them, all runs below runs/ are printed. Runs of a data set, task, motion or image size that
    no column is of follow in tables of their own.

    \b
    bench tables
    bench tables --published --format terminal
    bench tables --table 1a,1b --intervals
    bench tables --measured --missing intersect
    bench tables --ablation table2
    bench tables runs/mcnet-demo-same-identity-20260101-120000 --format latex --out table.tex
    """
    from talkbench.benchmark.cli.print.tables import TableOptions, chosen_tables, write_tables

    chosen = TableOptions(**options)
    if chosen.ablation:
        from talkbench.benchmark.ablation import runs as runs_of

        others = [chosen.tables, chosen.layout, chosen.published, chosen.measured]
        if any(others):
            raise click.UsageError("--ablation is a table of its own; leave the other tables out")
        runs = runs or tuple(runs_of(chosen.ablation))
    elif not runs and (chosen.measured or not chosen.published):
        runs = tuple(sorted(path.parent for path in Path("runs").glob("*/summary.json")))
    tables = chosen_tables(runs, chosen)
    if as_json:
        answer(tables=tables, out=chosen.out)
    if chosen.out or not as_json:
        write_tables(tables, chosen.form, chosen.out)
