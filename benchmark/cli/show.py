"""`bench show`."""

from __future__ import annotations

import click


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="[dataset|protocol] NAME")
def command(what: tuple[str, ...]) -> None:
    """Show what is known of a method, a data set or a protocol.

    Of a method its paper, licences, training data, variants, weights, and the numbers that were published of it; of a
    data set where it comes from, its licence, its layout and its lists; of a protocol every choice that it makes, and
    why.

    \b
    bench show fomm
    bench show dataset hdtf
    bench show protocol mcnet-2023
    """
    from talkbench.benchmark.cli.print import cards

    *kind, name = what
    printers = {"": cards.print_card, "dataset": cards.print_dataset, "protocol": cards.print_protocol}
    if len(kind) > 1 or "".join(kind) not in printers:
        raise click.UsageError(f"show takes one name, or dataset or protocol and a name, not {' '.join(what)!r}")
    printers["".join(kind)](name)
