"""`bench figure`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option(
    "--pairs", default="most-different", show_default=True,
    help="Numbers of pairs in their list, from 0, with commas between; or most-different: the pairs whose values of "
    "the metric differ most between the runs.",
)  # fmt: skip
@click.option(
    "--count", type=POSITIVE, default=6, show_default=True, help="How many of the most different pairs to draw."
)
@click.option("--metric", help="Metric that most-different goes by.  [default: l1, else the first that all runs have]")
@click.option(
    "--errors/--no-errors",
    default=None,
    help="Draw error maps beside the frames.  [default: if the driving frame is the truth]",
)
@OPTIONS["root"]
@click.option("--dpi", type=POSITIVE, default=300, show_default=True, help="Resolution for printing the picture.")
@click.option("--out", type=PATH, required=True, help="The picture to write (PNG).")
@click.option("--html", type=PATH, help="Also write a page with the picture and the numbers of its pairs.")
def command(runs: tuple[Path, ...], **options: Any) -> None:
    """Draw what several runs generated for the same pairs.

    Each pair has a row: the source, the driving frame, then the generated frame of each run, with its error map. RUNS
    are folders of runs of the same pairs, made with bench run --save-frames.

    \b
    bench figure runs/fomm-demo runs/mcnet-demo --out figure.png
    bench figure runs/* --pairs 3,17,42 --no-errors --out figure.png --html figure.html
    """
    from talkbench.benchmark.sharing.figure import MOST_DIFFERENT, FigureOptions, hidden_clips, write_figure

    numbers = write_figure(FigureOptions(runs, **options))
    automatic = options["pairs"] == MOST_DIFFERENT
    if hidden := hidden_clips(runs[0], options["root"], None if automatic else numbers):
        what = "is left out" if automatic else "is in the figure, so keep it to yourself"
        click.echo(f"no picture of {', '.join(hidden)} is published; what shows one {what}", err=True)
    click.echo(f"figure  {options['out']}   (pairs {', '.join(map(str, numbers))})")
    if options["html"]:
        click.echo(f"page    {options['html']}   (open it in a browser)")
