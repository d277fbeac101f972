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
@click.option(
    "--seen-identities", is_flag=True,
    help="Split the data set anew: draw clips to test on of people who are trained on too (voxceleb1).",
)  # fmt: skip
@click.option(
    "--out", type=PATH, help="With --task or --seen-identities: file to write.  [default: where a run looks for it]"
)
def command(
    dataset: str, root: Path | None, task: str | None, seed: int, count: int, seen_identities: bool, out: Path | None
) -> None:
    """Draw pair lists from the clips on the disk.

    They are drawn as the authors of the papers drew theirs. A same-identity pair is two random frames of one of 100
    random clips. A cross-identity pair is two random frames of random clips of two random people. COUNT pairs are
    drawn. The same clips and seed give the same list. Runs on voxceleb2, which has no published list, use the lists
    that this command writes.

    --seen-identities draws 500 clips of people who have other clips, from the list of clips and not from the disk, and
    pairs of frames of each. That is a data set of its own, voxceleb1-seen, with the same folder: training on it leaves
    out these clips alone, and the people of voxceleb1's tests.

    \b
    bench data draw voxceleb2 --root data/voxceleb2
    bench data draw hdtf --task cross-identity --seed 1 --out cross.csv
    bench data draw voxceleb1 --seen-identities --root data/voxceleb1
    """
    from talkbench.datasets.pairs import write_pairs
    from talkbench.datasets.preparation.resplit import draw_seen, resplit_of

    data = external_dataset(dataset, root)
    seen_identities = seen_identities or bool(data.card.resplit_of)
    if seen_identities:
        data = resplit_of(data)
        if task not in (None, *data.tasks):
            raise TalkbenchError(f"the split of seen identities has no list for {task}; leave --task out")
        task = "same-identity"
    if out and not task:
        raise TalkbenchError("--out is one file; name the task of its list with --task")
    if not out and (seed, count) != (SEED, COUNT):
        raise TalkbenchError(
            f"the lists that runs use have {COUNT} pairs and seed {SEED}; name a file for another list with --out"
        )
    for name in [task] if task else ["same-identity", "cross-identity"]:
        path = out or data.own_list(name)
        resplit = draw_seen(data, seed, count) if seen_identities else None
        pairs = resplit.pairs if resplit else data.draw(name, seed, count)
        write_pairs(path, pairs)
        clips = {frame.clip for pair in pairs for frame in (pair.source, pair.driving)}
        click.echo(f"{name}  {path}  ({len(pairs)} pairs of {len(clips)} clips)")
        if resplit:
            click.echo(f"{data.name}  {resplit.note}")
