"""`bench data`: gets, prepares, checks and exports data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.groups import CONTEXT, FolderGroup
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets.external import ExternalDataset


@click.group(cls=FolderGroup, package=__name__, context_settings=CONTEXT)
def command() -> None:
    """Get, prepare, check and export data sets.

    \b
    bench data fetch liveportrait-samples
    bench data lists
    bench data fetch-lists hdtf --root data/hdtf
    bench data prepare voxceleb1 --raw downloads --out data/voxceleb1
    bench data verify hdtf --root data/hdtf
    bench data pack voxceleb1 --root data/voxceleb1 --out packed/voxceleb1
    bench data export-pairs --dataset demo --out pairs
    """


def external_dataset(name: str, root: Path | None) -> ExternalDataset:
    """The data set of that name, whose clips are below `root`.

    Raises:
        TalkbenchError: the name is unknown, or the data set is one of talkbench's own, without published lists.
    """
    from talkbench import datasets
    from talkbench.datasets.external import ExternalDataset

    data = datasets.create(name, root)
    if not isinstance(data, ExternalDataset):
        raise TalkbenchError(f"{name} has no published lists; its pairs are built in, see bench list datasets")
    return data
