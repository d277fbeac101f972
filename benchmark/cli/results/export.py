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
    "--out",
    type=PATH,
    help="Folder of the entries, or, with --format, the file to write.  [default: results/entries; the terminal]",
)
@click.option(
    "--format", "form", type=click.Choice(["entry", "csv", "parquet", "json", "latex", "hf"]), default="entry",
    show_default=True,
    help="entry: an entry of the leaderboard; csv, parquet, json: a table with a line per run and metric; latex: a "
    "table for a paper; hf: the results for a model card on Hugging Face (model-index).",
)  # fmt: skip
@click.option("--pairs", is_flag=True, help="With csv, parquet, json: write a line per run, pair and metric.")
@click.option("--name", help="Name of the entry and of its folder.  [default: <method>--<dataset>--<task>--<motion>]")
@click.option("--label", help="Name of the method in tables.  [default: its name]")
@click.option("--paper", help="Address of the paper; this and the next six come from the method's card.")
@click.option("--code", help="Address of the code.")
@click.option("--licence", help="Licence of code and weights.")
@click.option("--year", type=int, help="Year of the publication.")
@click.option(
    "--training-data", help="Data sets that the weights were trained on, by their names in bench list datasets."
)
@click.option("--parameters", type=POSITIVE, help="Number of parameters of all networks together.")
@click.option("--note", help="A line that readers should know.")
@click.option("--perf", type=PATH, help="CSV of bench perf to take speed and parameters from.")
@click.option(
    "--speed",
    type=(float, str),
    metavar="FPS DEVICE",
    help="Driving frames per second, and the device that they were measured on.",
)
@click.option(
    "--thumbnails", type=click.IntRange(0, 12), default=12, show_default=True,
    help="Largest number of pairs to show; 0: the entry shows nobody, in no clip either.",
)  # fmt: skip
@click.option(
    "--clips",
    type=click.IntRange(0, 2),
    default=2,
    show_default=True,
    help="Largest number of short videos.",
)
@OPTIONS["root"]
def command(runs: tuple[Path, ...], out: Path | None, form: str, pairs: bool, **options: Any) -> None:
    """Write finished runs as entries or in other formats.

    An entry of the leaderboard is a small folder with everything about a run: record, summary, the values of all pairs,
    and, if the run was made with --save-frames, thumbnails of some pairs. Where the pairs are frames that follow one
    another, as in reconstruction, it holds clips as well: the first three seconds of two videos, the same in all
    entries of a list. Thumbnails and clips show people of the data set: leave both out with --thumbnails 0 if its
    licence does not let you publish them. There is none of clips of which the card of the data set says that no picture
    is published.

    \b
    bench results export runs/mcnet-demo
    bench results export runs/mine --label "My method" --paper https://… --training-data voxceleb1
    bench results export runs/* --format csv --out results.csv
    """
    from talkbench.benchmark.cli.progress import say
    from talkbench.benchmark.sharing.export_entry import ExportOptions, export_entry, has_frames
    from talkbench.benchmark.sharing.formats import write_runs
    from talkbench.benchmark.sharing.shown_runs import hidden_clips

    if form != "entry" or pairs:
        write_runs(runs, form, pairs, out)
        return
    for run in runs:
        entry = export_entry(run, out or ENTRIES, ExportOptions(**options), say)
        shown = f"{len(entry.info.thumbnails)} pairs{_clips(len(entry.info.clips))} shown"
        click.echo(f"entry   {entry.folder}   ({size(entry.folder)}, {shown})")
        if options["thumbnails"] and not has_frames(run):
            say(
                f"{run} has no saved frames, so the entry has no thumbnails and no clips; save frames with bench run "
                "--save-frames"
            )
        elif options["thumbnails"] and (hidden := hidden_clips(run, options["root"])):
            say(f"no thumbnail and no clip shows {', '.join(hidden)}: no picture of these clips is published")


def _clips(count: int) -> str:
    return f" and {count} clip{'s' if count > 1 else ''}" if count else ""
