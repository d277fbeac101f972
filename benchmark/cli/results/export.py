"""`bench results export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.options import ENTRIES, OPTIONS, PATH, POSITIVE
from talkbench.benchmark.cli.results import size


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option(
    "--out", type=PATH, help="Folder of the entries, or the file to write.  [default: results/entries; the terminal]"
)
@click.option(
    "--format", "form", type=click.Choice(["entry", "csv", "parquet", "json", "latex", "hf"]), default="entry",
    show_default=True,
    help="An entry of the leaderboard; a table with a line per run and metric; a table for a paper; or what a model "
    "card on Hugging Face says of evaluations (model-index).",
)  # fmt: skip
@click.option("--pairs", is_flag=True, help="With csv, parquet, json: a line per run, pair and metric.")
@click.option("--name", help="Of the entry and its folder.  [default: <method>--<dataset>--<task>--<motion>]")
@click.option("--label", help="How tables print the method.  [default: its name]")
@click.option("--paper", help="Address of the paper; this and the next six come from the method's card.")
@click.option("--code", help="Address of the code.")
@click.option("--licence", help="Of code and weights.")
@click.option("--year", type=int, help="Of the publication.")
@click.option("--training-data", help="What the weights were trained on: data sets as bench list datasets names them.")
@click.option("--parameters", type=POSITIVE, help="Of all networks together.")
@click.option("--note", help="What readers should know, in a line.")
@click.option("--perf", type=PATH, help="What bench perf wrote: speed and parameters are taken from there.")
@click.option(
    "--speed", type=(float, str), metavar="FPS DEVICE", help="Driving frames per second, and measured on what."
)
@click.option("--thumbnails", type=click.IntRange(0, 12), default=12, show_default=True, help="Pairs to show at most.")
@OPTIONS["root"]
def command(runs: tuple[Path, ...], out: Path | None, form: str, pairs: bool, **options: Any) -> None:
    """Write finished runs as entries of the leaderboard, or in a format of others.

    An entry is a small folder that needs nothing else: record, summary, the values of all pairs, and thumbnails of
    some, if the run was made with --save-frames. The pictures show people of the data set: leave them out
    (--thumbnails 0) where its licence does not let you publish them.

    \b
    bench results export runs/mcnet-demo
    bench results export runs/mine --label "My method" --paper https://… --training-data voxceleb1
    bench results export runs/* --format csv --out results.csv
    """
    from talkbench.benchmark.sharing.export_entry import ExportOptions, export_entry, has_frames
    from talkbench.benchmark.sharing.formats import write_runs

    if form != "entry" or pairs:
        write_runs(runs, form, pairs, out)
        return
    for run in runs:
        entry = export_entry(run, out or ENTRIES, ExportOptions(**options))
        shown = len(entry.info.thumbnails)
        click.echo(f"entry   {entry.folder}   ({size(entry.folder)}, {shown} pairs shown)")
        if options["thumbnails"] and not has_frames(run):
            click.echo(
                f"{run} has kept no frames, so there are no thumbnails; bench run --save-frames keeps them", err=True
            )
