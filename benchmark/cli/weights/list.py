"""`bench weights list`."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", default="")
@click.option("--missing", is_flag=True, help="Only the files that are not there or damaged.")
def command(name: str, missing: bool) -> None:
    """Show which files are wanted, and which are there.

    Of NAME: a method with its variants, a metric, an extractor or a metrics' file; or of all.

    \b
    official               its hash is the published one
    as added               its hash is the one it had when it was added
    present                there, with no hash to check it against
    missing, damaged       to be fetched (anew)

    \b
    bench weights list
    bench weights list fomm --missing
    bench weights list aed@openface-nn4
    """
    from talkbench.benchmark.cli.print.lists import print_weights
    from talkbench.benchmark.model_files import entries

    print_weights([entry for entry in entries([name] if name else []) if not missing or entry.wanting])
