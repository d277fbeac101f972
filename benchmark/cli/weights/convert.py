"""`bench weights convert`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import EXISTING, PATH


@click.command()
@click.argument("file", type=EXISTING)
@click.option("--out", type=PATH, help="The file to write.  [default: beside FILE, named after its method]")
@click.option("--as", "name", default="", help="Method of the file, if several have networks alike.")
@click.option("--official", is_flag=True, help="Write the file in the authors' layout, for their code to read.")
def command(file: Path, out: Path | None, name: str, official: bool) -> None:
    """Write a checkpoint as safetensors or as its authors do.

    A safetensors file has the method's networks and nothing else; it loads faster and cannot hold code.

    \b
    bench weights convert vox-cpk.pth.tar --out fomm.safetensors
    bench weights convert checkpoints/mcnet-voxceleb1/best.safetensors --official
    """
    from talkbench.methods.checkpoint_store import convert, convert_official

    match, written = (convert_official if official else convert)(file, out, name)
    click.echo(f"{file.name} is {match.method}; written to {written}")
