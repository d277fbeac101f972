"""`bench data manifest`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH


@click.command()
@click.argument("dataset")
@OPTIONS["clips_root"]
@click.option("--out", type=PATH, required=True, help="File to write.")
@OPTIONS["processes"]
def command(dataset: str, root: Path | None, out: Path, workers: int) -> None:
    """Write the checksums of all images and videos of a data set.

    A line for each, as sha256sum writes them, sorted by name: bench data verify --manifest compares with it, and so
    does sha256sum -c in the data root.

    \b
    bench data manifest hdtf --root data/hdtf --out hdtf.sha256
    """
    from talkbench import datasets
    from talkbench.benchmark.cli.progress import RunDisplay
    from talkbench.datasets.preparation.verification import list_files, write_manifest

    folder = datasets.create(dataset, root).root
    names = list_files(folder)
    with RunDisplay("files") as display:
        display.start(0, len(names))
        write_manifest(folder, names, out, workers, display.advance)
    click.echo(f"manifest  {out}   ({len(names)} files)")
