"""`bench results schema`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import PATH


@click.command()
@click.option("--out", type=PATH, help="File to write.  [default: the terminal]")
def command(out: Path | None) -> None:
    """Print the JSON Schema of entry.json, run.json and summary.json."""
    from talkbench.core.files import write_atomic
    from talkbench.results.json_schema import json_schema

    if out is None:
        click.echo(json_schema(), nl=False)
    else:
        write_atomic(out, json_schema())
        click.echo(f"schema  {out}")
