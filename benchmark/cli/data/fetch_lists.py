"""`bench data fetch-lists`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.data import external_dataset
from talkbench.benchmark.cli.options import OPTIONS, each
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.datasets.official_lists import OfficialList


@click.command()
@click.argument("dataset")
@OPTIONS["lists_root"]
def command(dataset: str, root: Path | None) -> None:
    """Download the published lists of a data set.

    The metadata to cut its clips by are among them. The files come from one commit of the authors' repositories, are
    checked by their sha256, and are stored in the folder lists below the data set's folder. Files that are there
    already are kept.

    \b
    bench data fetch-lists hdtf
    bench data fetch-lists voxceleb1 --root data/voxceleb1
    """
    from talkbench.benchmark.cli.progress import DownloadBar

    data = external_dataset(dataset, root)
    published = [entry for entry in data.files.values() if entry.url]
    if not published:
        raise TalkbenchError(f"{dataset} has no published lists; draw them: bench data draw {dataset}")

    def act(entry: OfficialList) -> None:
        with DownloadBar(entry.file) as bar:
            click.echo(f"{entry.slug}  {entry.fetch(data.root, bar)}")

    each(published, act)
