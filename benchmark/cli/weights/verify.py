"""`bench weights verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import each
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.model_files import ModelFile


@click.command()
@click.argument("names", nargs=-1)
def command(names: tuple[str, ...]) -> None:
    """Check the hashes of the model files that are here.

    NAMES are methods, metrics, extractors, protocols, data sets or files; without them, all files are checked. The exit
    code is 2 if one is damaged.

    \b
    bench weights verify
    bench weights verify lpips@vgg
    """
    from talkbench.benchmark.model_files import entries, fault

    def act(entry: ModelFile) -> None:
        if entry.status == "damaged":
            raise TalkbenchError(fault(entry))
        click.echo(f"{entry.status:8}  {entry.name}  {entry.path}")

    each([entry for entry in entries(names) if entry.status != "missing"], act)
