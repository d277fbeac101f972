"""`bench weights list`."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.output import answer, json_option


@click.command()
@click.argument("name", default="")
@click.option("--missing", is_flag=True, help="Only the files that are missing or damaged.")
@json_option("files, of each name, purpose, path, status, size, licence, proof, source, kind")
def command(name: str, missing: bool, as_json: bool) -> None:
    """Show which model files are needed, and which are here.

    NAME is a method (with its variants), a metric, an extractor, a protocol, a data set or a file; without it, all are
    listed.

    \b
    official               the file has the published hash
    as added               the file has the hash that it had when it was added
    present                the file is here, with no hash to check it against
    missing                the file has to be fetched
    damaged                the file has another hash, and has to be fetched again

    Where no hash is published, nothing tells whether a file is the published one: its hash is noted when it comes, and
    must hold from then on.

    \b
    bench weights list
    bench weights list fomm --missing
    bench weights list aed@openface-nn4
    """
    from talkbench.benchmark.cli.print.lists import print_weights
    from talkbench.benchmark.model_files import entries

    files = [entry for entry in entries([name] if name else []) if not missing or entry.wanting]
    if as_json:
        answer(files=files)
    else:
        print_weights(files)
