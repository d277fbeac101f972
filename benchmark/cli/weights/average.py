"""`bench weights average`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import EXISTING, PATH


@click.command()
@click.argument("files", nargs=-1, required=True, type=EXISTING)
@click.option("--out", type=PATH, required=True, help="The file to write, .safetensors.")
def command(files: tuple[Path, ...], out: Path) -> None:
    """Average the weights of several states of a training.

    FILES are states or weights files of bench train that have the same networks. The statistics of batch norm are
    averaged as well; spectral norms are estimated anew. The file that is written says what it is the average of.

    \b
    bench train --method mcnet --keep-every 5
    bench weights average checkpoints/mcnet-voxceleb1/state/*.pt --out mean.safetensors
    bench run --method mcnet --checkpoint mean.safetensors
    """
    from talkbench.training.state.averages import average

    notes = average(files, out)
    steps = ", ".join(str(note.get("steps", note["file"])) for note in notes)
    click.echo(f"the mean of {len(notes)} files (steps {steps}), batch norm's statistics too; written to {out}")
