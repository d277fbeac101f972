"""`bench weights export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import PATH, each
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.model_files import ModelFile


@click.command()
@click.argument("folder", type=PATH)
@click.argument("names", nargs=-1)
def command(folder: Path, names: tuple[str, ...]) -> None:
    """Copy weights into a folder for a machine without network.

    NAMES are methods, metrics, extractors, protocols, data sets or files; without them, all that are here are copied.
    On the other machine run bench weights add FOLDER, which also checks the files against the SHA256SUMS in the folder.

    \b
    bench weights export /media/stick/weights
    bench weights export /media/stick/weights akd lpips@vgg fomm
    """
    from talkbench.benchmark.model_files import SHIPPED, entries, export

    def act(entry: ModelFile) -> None:
        export(entry, folder)
        click.echo(f"{entry.name} is exported to {folder / entry.place}; licence: {entry.licence}")

    chosen = [entry for entry in entries(names) if entry.status != SHIPPED and (names or entry.status != "missing")]
    if not chosen:
        raise TalkbenchError("there is nothing to export; see: bench weights list")
    each(chosen, act)
