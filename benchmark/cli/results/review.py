"""`bench results review`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from talkbench.benchmark.cli.options import PATH


@click.command()
@click.argument("entry", type=PATH)
def command(entry: Path) -> None:
    """Show an entry on one screen: who, what, numbers with intervals, what to look at, thumbnails.

    The entry is checked as bench results validate does; one with faults is not shown, and the exit code is 2.

    \b
    bench results review results/entries/mine
    """
    from talkbench.benchmark.cli.print.review import print_review
    from talkbench.benchmark.sharing.expectations import expected_of
    from talkbench.core.text import visible
    from talkbench.results.entries import Entry
    from talkbench.results.validation import faults

    lines = faults(entry, expected_of)
    if lines:
        for line in lines:
            click.echo(f"bench: {visible(line)}", err=True)
        sys.exit(2)
    print_review(Entry.load(entry))
