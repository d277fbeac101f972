"""`bench results validate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from talkbench.benchmark.cli.options import ENTRIES, PATH
from talkbench.benchmark.cli.results import size


@click.command()
@click.argument("folder", type=PATH, default=ENTRIES)
def command(folder: Path) -> None:
    """Check an entry, or all entries in a folder.

    The command checks the form of the files and their hashes, that there are no other files, and that protocol ids and
    summary follow from record and rows. Each fault is a line that names the file and the remedy. The exit code is 2 if
    there is a fault.

    \b
    bench results validate results/entries
    """
    from talkbench.results.validation import validate

    sound, faults = validate(folder)
    for entry in sound:
        record, data = entry.record, entry.record.dataset
        what = f"{record.method.name}, {data.name} {data.task}, {data.pairs} pairs, {len(record.metrics)} metrics"
        click.echo(f"sound   {entry.folder}   ({what}, {size(entry.folder)})")
    for fault in faults:
        click.echo(f"bench: {fault}", err=True)
    if faults:
        sys.exit(2)
