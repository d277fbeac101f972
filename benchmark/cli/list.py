"""`bench list`."""

from __future__ import annotations

import click


@click.command()
@click.argument("what", default="")
@click.option("--all", "everything", is_flag=True, help="Of methods also the rows of the papers' ablation tables, "
              "full-size and at demo size.")  # fmt: skip
def command(what: str, everything: bool) -> None:
    """List what there is of a kind.

    WHAT is methods, metrics, extractors, datasets, protocols, tables or recipes; without it, the kinds themselves are
    listed. The names are what the options of the other commands take, and what bench show explains.

    \b
    bench list
    bench list methods --all
    bench list metrics
    """
    from talkbench.benchmark.cli.print.lists import print_kinds, print_list
    from talkbench.benchmark.names import kind

    if what:
        print_list(kind(what), everything)
    else:
        print_kinds()
