"""`bench results import`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import ENTRIES, PATH


@click.command()
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, default=ENTRIES, show_default=True, help="Folder of the entries.")
def command(folder: Path, out: Path) -> None:
    """Check an entry and copy it to your entries.

    \b
    bench results import ~/Downloads/mcnet.demo--demo--same-identity--absolute
    """
    from talkbench.benchmark.sharing.expectations import expected_of
    from talkbench.results.validation import import_entry

    click.echo(f"entry   {import_entry(folder, out, expected_of).folder}")
