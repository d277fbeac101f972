"""`bench tables`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import EXISTING, PATH, names


@click.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--table", "tables", callback=names, metavar="NAMES",
    help="Of the MCNet paper 1a, 1b, 2, of its supplement s1 to s7, comma-separated, or all.  [default: those that the "
    "runs touch, else 1a]",
)  # fmt: skip
@click.option("--layout", type=EXISTING, help="A table of your own, as YAML; see Tables in the README.")
@click.option(
    "--ablation", metavar="NAME",
    help="What bench train --ablation NAME --config demo made, in the paper's layout: table2, table-s1, table-s2 or "
    "table-s7.",
)  # fmt: skip
@click.option("--published", is_flag=True, help="The published numbers alone; without RUNS, of all tables.")
@click.option("--measured", is_flag=True, help="The runs alone; without --table or --layout, all of their metrics.")
@click.option("--intervals", is_flag=True, help="95 % intervals over people or clips, with pairs and coverage.")
@click.option(
    "--missing", type=click.Choice(["drop", "intersect", "worst"]),
    help="Pairs without a face in what was generated: left out of their own run, left out of all runs, or given the "
    "worst value of the metric.  [default: each run's own rule]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["terminal", "markdown", "latex", "csv", "html"]), default="markdown",
    show_default=True, help="How to write it.",
)  # fmt: skip
@click.option("--out", type=PATH, help="File to write.  [default: the terminal]")
def command(runs: tuple[Path, ...], **options: Any) -> None:
    """Print results beside the published numbers.

    In the layouts of the ten tables of the MCNet paper and its supplement, or in your own. RUNS are folders of
    runs; without any, all below runs/.

    \b
    bench tables
    bench tables --published --format terminal
    bench tables --table 1a,1b --intervals
    bench tables --measured --missing intersect
    bench tables --ablation table2
    bench tables runs/mcnet-demo-same-identity-20260101-120000 --format latex --out table.tex
    """
    from talkbench.benchmark.cli.print.tables import TableOptions, write_table

    wanted = TableOptions(**options)
    if wanted.ablation:
        from talkbench.benchmark.ablation import runs as runs_of

        others = [wanted.tables, wanted.layout, wanted.published, wanted.measured]
        if any(others):
            raise click.UsageError("--ablation is a table of its own; leave the other tables out")
        runs = runs or tuple(runs_of(wanted.ablation))
    elif not runs and (wanted.measured or not wanted.published):
        runs = tuple(sorted(path.parent for path in Path("runs").glob("*/summary.json")))
    write_table(runs, wanted)
