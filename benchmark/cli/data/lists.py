"""`bench data lists`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.data import external_dataset
from talkbench.benchmark.cli.options import OPTIONS
from talkbench.core.errors import TalkbenchError


@click.command()
@click.argument("dataset", required=False)
@OPTIONS["lists_root"]
def command(dataset: str | None, root: Path | None) -> None:
    """Show the published pair lists, and whether they are here.

    Without DATASET the lists of all data sets are shown. A run uses the first list of its task. It uses another if you
    name it: bench run --pairs hdtf-all.

    \b
    bench data lists
    bench data lists hdtf --root data/hdtf
    """
    from talkbench.benchmark.cli.print.lists import print_pair_lists
    from talkbench.datasets.external import external_datasets

    if root and not dataset:
        raise TalkbenchError("--root is the folder of one data set; name the data set before it")
    print_pair_lists([external_dataset(dataset, root)] if dataset else external_datasets())
