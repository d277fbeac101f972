"""`bench data`: getting, making and checking data sets, and what other programs need of them."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.data import best_frames, lists, prepare
from talkbench.benchmark.cli.options import CONTEXT, OPTIONS, PATH, POSITIVE, NearestGroup


@click.group(cls=NearestGroup, context_settings=CONTEXT)
def data() -> None:
    """Get, make, check and export data sets.

    \b
    bench data lists
    bench data fetch-lists hdtf --root data/hdtf
    bench data prepare voxceleb1 --raw downloads --out data/voxceleb1
    bench data verify hdtf --root data/hdtf
    bench data export-pairs --dataset demo --out pairs
    """


data.add_command(lists.lists)
data.add_command(lists.fetch_lists)
data.add_command(lists.draw)
data.add_command(best_frames.best_frames)
data.add_command(prepare.prepare)
data.add_command(prepare.verify)
data.add_command(prepare.manifest)


@data.command("export-pairs")
@OPTIONS["dataset"]
@OPTIONS["task"]
@OPTIONS["motion"]
@OPTIONS["pairs"]
@OPTIONS["root"]
@OPTIONS["limit"]
@click.option("--image-size", type=POSITIVE, help="Side of the images in pixels.  [default: as stored]")
@click.option("--out", type=PATH, required=True, help="Folder to write; it must be empty or new.")
def export_pairs(**options: Any) -> None:
    """Write the pairs of a task and their images for a program that talkbench does not run.

    Leaves the images, pairs.csv, which says what to do with them, and a README.txt that explains it. What the program
    makes of the pairs is scored with bench run --frames.

    \b
    bench data export-pairs --dataset demo --out pairs
    bench data export-pairs --dataset demo --task reconstruction --image-size 256 --out pairs
    """
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.benchmark.export_pairs import ExportOptions
    from talkbench.benchmark.export_pairs import export_pairs as export

    with RunDisplay("images") as display:
        exported = export(ExportOptions(**options), display)
    click.echo(f"pairs   {options['out'] / 'pairs.csv'}   ({exported.pairs} pairs, {exported.images} images)")
    click.echo(f"score   {exported.command}")
