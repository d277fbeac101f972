"""`bench weights pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import each

if TYPE_CHECKING:
    from talkbench.benchmark.model_files import ModelFile


@click.command()
@click.argument("names", nargs=-1)
def command(names: tuple[str, ...]) -> None:
    """Download model files of the metrics.

    NAMES are metrics, extractors or files; without them, all missing files are downloaded. Each file is checked against
    its published hash. If there is none, its hash is noted, for later checks. An interrupted download goes on where
    it stopped. Mind the licences: some of the files are for non-commercial use only.

    \b
    bench weights pull lpips@vgg akd
    bench weights pull
    """
    from talkbench.benchmark.model_files import entries, fetchable

    each(entries(names) if names else fetchable(), _pull)


def _pull(entry: ModelFile) -> None:
    from talkbench.benchmark.cli.progress import DownloadBar
    from talkbench.benchmark.model_files import pull
    from talkbench.core.model_files import NO_PROOF, digest

    if not entry.wanting:
        click.echo(f"{entry.name} is there already: {entry.path}")
        return
    with DownloadBar(entry.name) as bar:
        path = pull(entry, bar)
    click.echo(f"{entry.name} is fetched; licence: {entry.licence}")
    click.echo(f"  stored as {path}")
    if entry.proof == NO_PROOF:
        click.echo(f"  published hash: {NO_PROOF}; sha256 {digest(path)}")
