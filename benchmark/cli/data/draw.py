"""`bench data draw`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.data import external_dataset
from talkbench.benchmark.cli.options import OPTIONS, PATH, POSITIVE
from talkbench.core.errors import TalkbenchError

SEED, COUNT = 0, 2083  # of the lists that runs use


@click.command()
@click.argument("dataset")
@OPTIONS["lists_root"]
@click.option("--task", type=click.Choice(["same-identity", "cross-identity"]), help="Only this one.  [default: both]")
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Of the draw.")
@click.option("--count", type=POSITIVE, default=COUNT, show_default=True, help="Number of pairs.")
@click.option("--out", type=PATH, help="With --task: file to write.  [default: where a run looks for it]")
def command(dataset: str, root: Path | None, task: str | None, seed: int, count: int, out: Path | None) -> None:
    """Draw pair lists from the clips on the disk, as the authors drew theirs.

    Same-identity: of 100 random clips, COUNT times a random one and two of its frames. Cross-identity: COUNT times a
    random frame of a random clip of a random identity, and the same of another identity. The same clips and seed give
    the same list. For voxceleb2, which has no published list, the lists become those that runs use.

    \b
    bench data draw voxceleb2 --root data/voxceleb2
    bench data draw hdtf --task cross-identity --seed 1 --out cross.csv
    """
    from talkbench.datasets.pairs import write_pairs

    data = external_dataset(dataset, root)
    if out and not task:
        raise TalkbenchError("--out is one file; say with --task which list it is to hold")
    if not out and (seed, count) != (SEED, COUNT):
        raise TalkbenchError(f"the lists that runs use are of {COUNT} pairs and seed {SEED}; name yours with --out")
    for name in [task] if task else ["same-identity", "cross-identity"]:
        path = out or data.own_list(name)
        pairs = data.draw(name, seed, count)
        write_pairs(path, pairs)
        clips = {frame.clip for pair in pairs for frame in (pair.source, pair.driving)}
        click.echo(f"{name}  {path}  ({len(pairs)} pairs of {len(clips)} clips)")
