"""`bench data best-frames`."""

from __future__ import annotations

from typing import Any

import click

from talkbench.benchmark.cli.options import OPTIONS, PATH


@click.command()
@click.argument("dataset")
@click.option("--task", default="cross-identity", show_default=True, help="Task of the pairs to find frames for.")
@click.option("--pairs", help="A pair list in place of the task's own: a file, or the name of a published list.")
@OPTIONS["root"]
@click.option("--out", type=PATH, help="File to write.  [default: beside the data's lists, where bench run finds it]")
@OPTIONS["frames_at_once"]
@OPTIONS["device"]
def command(**options: Any) -> None:
    """Find the driving frames posed most like the sources.

    bench run --motion relative-best measures motion from these frames. All frames of the clip are compared with the
    source by 68 landmarks, as in the papers, or by the five of MTCNN where the models for 68 are missing.

    \b
    bench data best-frames celebv --root data/celebv
    """
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("clips") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.best_frames import BestOptions, find_best_frames

        best = find_best_frames(BestOptions(**options), display)
    click.echo(f"list    {best.path}   (best frames of {best.matched} of {best.pairs} pairs)")
