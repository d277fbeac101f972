"""`bench list`."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.output import answer, json_option


@click.command()
@click.argument("what", default="")
@click.option("--all", "everything", is_flag=True, help="Of methods also the rows of the papers' ablation tables, "
              "full-size and at demo size.")  # fmt: skip
@json_option("kind and entries, of each what its line says; without WHAT kinds")
def command(what: str, everything: bool, as_json: bool) -> None:
    """List what there is of a kind.

    WHAT is methods, metrics, extractors, datasets, protocols, tables, recipes or programs; without it, the kinds
    themselves are listed. The names are what the options of the other commands take, and what bench show explains.

    \b
    bench list
    bench list methods --all
    bench list metrics
    """
    from talkbench.benchmark.cli.print.lists import listing, print_kinds, print_list
    from talkbench.benchmark.names import KINDS, kind

    if as_json and what:
        answer(kind=kind(what), entries=listing(kind(what), everything))
    elif as_json:
        answer(kinds=KINDS)
    elif what:
        print_list(kind(what), everything)
    else:
        print_kinds()
