"""`bench data lists`, `fetch-lists` and `draw`: the pair lists of the published data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import PATH, POSITIVE, each
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets.external import Published
    from talkbench.datasets.official_lists import OfficialList

SEED, COUNT = 0, 2083  # of the lists that runs use
ROOT = click.option("--root", type=PATH, help="Folder of the data set.  [default: datasets/<name> in the cache folder]")


@click.command()
@click.argument("dataset", required=False)
@ROOT
def lists(dataset: str | None, root: Path | None) -> None:
    """Show the pair lists that are published, and whether they are here.

    Of DATASET, or of all. A run takes a list other than its task's first one by name: bench run --pairs hdtf-all.

    \b
    bench data lists
    bench data lists hdtf --root data/hdtf
    """
    from talkbench.benchmark.cli.print.cards import print_lists
    from talkbench.datasets.external import published

    if root and not dataset:
        raise TalkbenchError("--root is the folder of one data set; name the data set before it")
    print_lists([_published(dataset, root)] if dataset else list(published()))


@click.command("fetch-lists")
@click.argument("dataset")
@ROOT
def fetch_lists(dataset: str, root: Path | None) -> None:
    """Download the published lists of a data set, and the metadata that its clips are cut by.

    They come from the authors' repositories as they were at one commit, are checked by their sha256, and are stored in
    the folder lists of the data set's. What is there already is left alone.

    \b
    bench data fetch-lists hdtf
    bench data fetch-lists voxceleb1 --root data/voxceleb1
    """
    from talkbench.benchmark.cli.print.cards import DownloadBar

    data = _published(dataset, root)
    wanted = [entry for entry in data.files.values() if entry.url]
    if not wanted:
        raise TalkbenchError(f"{dataset} has no published lists; draw them: bench data draw {dataset}")

    def act(entry: OfficialList) -> None:
        with DownloadBar(entry.file) as bar:
            click.echo(f"{entry.slug}  {entry.fetch(data.root, bar)}")

    each(wanted, act)


@click.command()
@click.argument("dataset")
@ROOT
@click.option("--task", type=click.Choice(["same-identity", "cross-identity"]), help="Only this one.  [default: both]")
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Of the draw.")
@click.option("--count", type=POSITIVE, default=COUNT, show_default=True, help="Number of pairs.")
@click.option("--out", type=PATH, help="With --task: file to write.  [default: where a run looks for it]")
def draw(dataset: str, root: Path | None, task: str | None, seed: int, count: int, out: Path | None) -> None:
    """Draw pair lists from the clips on the disk, as the authors drew theirs.

    Same-identity: of 100 random clips, COUNT times a random one and two of its frames. Cross-identity: COUNT times a
    random frame of a random clip of a random identity, and the same of another identity. The same clips and seed give
    the same list. For voxceleb2, which has no published list, the lists become those that runs use.

    \b
    bench data draw voxceleb2 --root data/voxceleb2
    bench data draw hdtf --task cross-identity --seed 1 --out cross.csv
    """
    from talkbench.datasets.pairs import write_pairs

    data = _published(dataset, root)
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


def _published(name: str, root: Path | None) -> Published:
    from talkbench import datasets
    from talkbench.datasets.external import Published

    data = datasets.create(name, root)
    if not isinstance(data, Published):
        raise TalkbenchError(f"{name} has no published lists; its pairs are built in, see bench list datasets")
    return data
