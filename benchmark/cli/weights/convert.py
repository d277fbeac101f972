"""`bench weights convert`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import EXISTING, PATH


@click.command()
@click.argument("file", type=EXISTING)
@click.option("--out", type=PATH, help="The file to write.  [default: beside FILE, named after what it is]")
@click.option("--as", "name", default="", help="What the file is, where configurations are alike.")
@click.option("--official", is_flag=True, help="As the authors lay out theirs, for their code to read.")
def command(file: Path, out: Path | None, name: str, official: bool) -> None:
    """Write a method's checkpoint as safetensors, or as its authors do.

    With the method's networks alone, all in one file, which loads faster and cannot hold code.

    \b
    bench weights convert vox-cpk.pth.tar --out fomm.safetensors
    bench weights convert checkpoints/mcnet-voxceleb1/best.safetensors --official
    """
    from talkbench.methods.checkpoint_store import convert, convert_official

    match, written = (convert_official if official else convert)(file, out, name)
    click.echo(f"{file.name} is {match.method}; written to {written}")
