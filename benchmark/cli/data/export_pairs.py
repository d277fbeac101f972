"""`bench data export-pairs`."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE


@click.command()
@OPTIONS["dataset"]
@OPTIONS["task"]
@OPTIONS["motion"]
@OPTIONS["pairs"]
@OPTIONS["root"]
@OPTIONS["limit"]
@click.option("--image-size", type=POSITIVE, help="Side of the images in pixels.  [default: as stored]")
@click.option("--out", type=PATH, required=True, help="Folder to write; it must be empty or new.")
def command(**options: Any) -> None:
    """Write the pairs of a task and their images for a program that talkbench does not run.

    Writes the images, pairs.csv with a line for each pair, and a README.txt that explains both. bench run --frames then
    scores the frames that the program generates.

    \b
    bench data export-pairs --dataset demo --out pairs
    bench data export-pairs --dataset demo --task reconstruction --image-size 256 --out pairs
    """
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("images") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.export_pairs import ExportPairsOptions, export_pairs

        exported = export_pairs(ExportPairsOptions(**options), display)
    click.echo(f"pairs   {options['out'] / 'pairs.csv'}   ({exported.pairs} pairs, {exported.images} images)")
    click.echo(f"score   {exported.command}")
