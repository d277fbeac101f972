"""`bench compare`."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.options import PATH, names


@click.command()
@click.argument("run_a", type=PATH)
@click.argument("run_b", type=PATH)
@click.option("--metrics", callback=names, help="Comma-separated.  [default: all that both have]")
@click.option(
    "--across-protocols", is_flag=True,
    help="Also compare numbers that were made by unlike protocols, with a mark that says what differs.",
)  # fmt: skip
@click.option("--figure", type=PATH, help="A picture to write (.png, .svg, .pdf): scatter and differences, per metric.")
@click.option("--out", type=PATH, help="A page to write (.html), with the table and the picture.")
@click.option(
    "--format", "form", type=click.Choice(["terminal", "markdown", "latex", "csv"]), default="terminal",
    show_default=True, help="How to print the table.",
)  # fmt: skip
def command(form: str, **options: Any) -> None:
    """Compare two runs pair by pair.

    Of each metric the means over the pairs that both runs have a value of, their difference (A minus B) with its 95 %
    interval, and how likely chance alone would make as large a one, all of it by clips, or by the people in them, and
    not by pairs, which are not independent. RUN_A and RUN_B are folders of runs, or entries of the leaderboard.

    \b
    bench compare runs/mcnet-demo runs/fomm-demo
    bench compare runs/mcnet-demo results/entries/copy-source--demo--same-identity--absolute
    bench compare runs/a runs/b --metrics lpips,csim --figure scatter.svg --out compare.html
    """
    from talkbench.benchmark.cli.print.tables import print_tables
    from talkbench.benchmark.sharing.comparison import CompareOptions, compare_runs

    print_tables([compare_runs(CompareOptions(**options))], form)
    for what, path in (("figure", options["figure"]), ("page", options["out"])):
        if path:
            click.echo(f"{what:<7} {path}", err=form != "terminal")
