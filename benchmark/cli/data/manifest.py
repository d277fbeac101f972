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

    The file has a line for each image and video, in the form of sha256sum, sorted by name. To compare with it, run
    bench data verify --manifest, or sha256sum -c in the folder of the data set.

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
