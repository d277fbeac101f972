"""`bench data draw`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.data import external_dataset
from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE
from talkbench.core.errors import TalkbenchError

SEED, COUNT = 0, 2083  # of the lists that runs use by default


@click.command()
@click.argument("dataset")
@OPTIONS["lists_root"]
@click.option(
    "--task",
    type=click.Choice(["same-identity", "cross-identity"]),
    help="Draw for this task only.  [default: for both]",
)
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Seed of the random draw.")
@click.option("--count", type=POSITIVE, default=COUNT, show_default=True, help="Number of pairs.")
@click.option("--out", type=PATH, help="With --task: file to write.  [default: where a run looks for it]")
def command(dataset: str, root: Path | None, task: str | None, seed: int, count: int, out: Path | None) -> None:
    """Draw pair lists from the clips on the disk.

    They are drawn as the authors of the papers drew theirs. A same-identity pair is two random frames of one of 100
    random clips. A cross-identity pair is two random frames of random clips of two random people. COUNT pairs are
    drawn. The same clips and seed give the same list. Runs on voxceleb2, which has no published list, use the lists
    that this command writes.

    \b
    bench data draw voxceleb2 --root data/voxceleb2
    bench data draw hdtf --task cross-identity --seed 1 --out cross.csv
    """
    from talkbench.datasets.pairs import write_pairs

    data = external_dataset(dataset, root)
    if out and not task:
        raise TalkbenchError("--out is one file; name the task of its list with --task")
    if not out and (seed, count) != (SEED, COUNT):
        raise TalkbenchError(
            f"the lists that runs use have {COUNT} pairs and seed {SEED}; name a file for another list with --out"
        )
    for name in [task] if task else ["same-identity", "cross-identity"]:
        path = out or data.own_list(name)
        pairs = data.draw(name, seed, count)
        write_pairs(path, pairs)
        clips = {frame.clip for pair in pairs for frame in (pair.source, pair.driving)}
        click.echo(f"{name}  {path}  ({len(pairs)} pairs of {len(clips)} clips)")
