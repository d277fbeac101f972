"""`bench weights convert`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import EXISTING, PATH


@click.command()
@click.argument("file", type=EXISTING)
@click.option("--out", type=PATH, help="The file to write.  [default: beside FILE, named after its method]")
@click.option("--as", "name", default="", help="Method of the file, if several have networks alike.")
@click.option("--half", is_flag=True, help="Store 16 bits a number: half the size, slightly other results.")
@click.option("--official", is_flag=True, help="Write the file in the authors' layout, for their code to read.")
def command(file: Path, out: Path | None, name: str, half: bool, official: bool) -> None:
    """Write a checkpoint as safetensors or as its authors do.

    A safetensors file has the method's networks and what talkbench's training noted of them; it loads faster and
    cannot hold code.

    \b
    bench weights convert vox-cpk.pth.tar --out fomm.safetensors
    bench weights convert checkpoints/mcnet-demo/weights.safetensors --half --out small.safetensors
    bench weights convert checkpoints/mcnet-voxceleb1/best.safetensors --official
    """
    from talkbench.core.errors import TalkbenchError
    from talkbench.methods.checkpoint_store import convert, convert_official

    if half and official:
        raise TalkbenchError("--half and --official do not go together: the authors' code reads 32 bits a number")
    match, written = convert_official(file, out, name) if official else convert(file, out, name, half)
    click.echo(f"{file.name} is {match.method}; written to {written}")
