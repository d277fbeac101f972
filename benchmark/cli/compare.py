"""`bench compare`."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.options import PATH, names
from talkbench.benchmark.cli.output import answer, json_option, plain


@click.command()
@click.argument("run_a", type=PATH)
@click.argument("run_b", type=PATH)
@click.option(
    "--metrics", callback=names, help="Metrics to compare, comma-separated.  [default: all that both runs have]"
)
@click.option(
    "--across-protocols", is_flag=True,
    help="Also compare numbers of different protocols, with a mark that says what differs.",
)  # fmt: skip
@click.option(
    "--figure", type=PATH, help="Write a picture (.png, .svg, .pdf): per metric a scatter plot and the differences."
)
@click.option("--out", type=PATH, help="Write a page (.html) with the table and the picture.")
@click.option(
    "--format", "form", type=click.Choice(["terminal", "markdown", "latex", "csv"]), default="terminal",
    show_default=True, help="How to print the table.",
)  # fmt: skip
@json_option("a and b; metrics, of each pairs, mean_a, mean_b, difference, low, high, p, p_holm and more; remarks")
def command(form: str, as_json: bool, **options: Any) -> None:
    """Compare two runs pair by pair.

    For each metric the table shows the means over the pairs that have a value in both runs, the difference of the means
    (A minus B) with its 95 % interval, and the probability that chance alone makes a difference as large. Intervals and
    probabilities are taken over people, or clips where people are not known, because the pairs of one person are not
    independent: over source and driving people where these cross. With fewer than five people the difference for each
    stands in place of an interval. RUN_A and RUN_B are folders of runs, or entries of the leaderboard.

    \b
    bench compare runs/mcnet-demo runs/fomm-demo
    bench compare runs/mcnet-demo results/entries/copy-source--demo--same-identity--absolute
    bench compare runs/a runs/b --metrics lpips,csim --figure scatter.svg --out compare.html
    """
    from talkbench.benchmark.cli.print.tables import write_tables
    from talkbench.benchmark.sharing.comparison import CompareOptions, compare_runs

    compared = compare_runs(CompareOptions(**options))
    if as_json:
        runs = {"a": compared.a.record, "b": compared.b.record}
        answer(
            **{side: {"run_id": record.run_id, "method": record.method.name} for side, record in runs.items()},
            metrics=[{"metric": paired.metric, **plain(paired)} for paired in compared.differences],
            remarks=compared.table.remarks,
            figure=options["figure"],
            page=options["out"],
        )
        return
    write_tables([compared.table], form)
    for what, path in (("figure", options["figure"]), ("page", options["out"])):
        if path:
            click.echo(f"{what:<7} {path}", err=form != "terminal")
