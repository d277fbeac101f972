"""`bench data best-frames`."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH


@click.command()
@click.argument("dataset")
@click.option("--task", default="cross-identity", show_default=True, help="The task whose list lacks references.")
@click.option("--pairs", help="Another list than the task's own: a file, or the name of a published one.")
@OPTIONS["root"]
@click.option("--out", type=PATH, help="File to write.  [default: beside the data's lists, where bench run finds it]")
@OPTIONS["batch_size"]
@OPTIONS["device"]
def command(**options: Any) -> None:
    """Search the frame of each driving clip that is posed most like the source.

    Motion is measured from there with bench run --motion relative-best. All frames of the clip are compared by 68
    landmarks, as the papers did, or, where their models are missing, by the five of MTCNN.

    \b
    bench data best-frames celebv --root data/celebv
    """
    from talkbench.benchmark.best_frames import BestOptions, find_best_frames
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("clips") as display:
        found = find_best_frames(BestOptions(**options), display)
    click.echo(f"list    {found.path}   (best frames of {found.found} of {found.pairs} pairs)")
