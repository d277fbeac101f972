"""`bench list`."""

from __future__ import annotations

import click


@click.command()
@click.argument("what", type=click.Choice(["methods", "metrics", "datasets", "protocols"]))
def command(what: str) -> None:
    """List methods, metrics, data sets or protocols.

    Their names are what the options of the other commands take.
    """
    from talkbench.benchmark.cli.print.lists import print_list

    print_list(what)
