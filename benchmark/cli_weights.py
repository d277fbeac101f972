"""`bench weights`: the checkpoints of the methods."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli_options import CONTEXT, EXISTING, PATH, NearestGroup
from talkbench.core.errors import TalkbenchError


@click.group(cls=NearestGroup, context_settings=CONTEXT)
def weights() -> None:
    """See, add and convert the checkpoints of the methods.

    Nothing is ever downloaded by itself: the list says where each file is published, and add puts one that you
    have fetched to where it is looked for.

    \b
    bench weights list fomm
    bench weights add ~/Downloads/vox-cpk.pth.tar
    """


@weights.command("list")
@click.argument("method", default="")
@click.option("--missing", is_flag=True, help="Only the files that are not there.")
def list_(method: str, missing: bool) -> None:
    """Show which files the methods want, and which are there.

    Of METHOD and its variants, or of all methods.

    \b
    official               its hash is the published one
    as added               its hash is the one it had when it was added
    present                there, with no hash to check it against
    missing, damaged       to be fetched (anew)

    \b
    bench weights list
    bench weights list fomm --missing
    """
    from talkbench.benchmark.show import print_weights
    from talkbench.methods.weights import listed

    print_weights([file for file in listed(method) if not missing or file.status in ("missing", "damaged")])


@weights.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--as", "name", default="", help="What the file is, where configurations are alike: tpsm@ted-384, say.")
def add(files: tuple[Path, ...], name: str) -> None:
    """Recognise checkpoints by their contents and store them.

    FILES are files, or folders all of whose files are taken.

    \b
    bench weights add ~/Downloads/vox-cpk.pth.tar
    bench weights add ~/Downloads/ted.pth.tar --as tpsm@ted-384
    """
    from talkbench.methods.weights import add as add_file

    paths = [path for given in files for path in (sorted(given.iterdir()) if given.is_dir() else [given])]
    if name and len(paths) > 1:
        raise TalkbenchError("--as says what one file is; add the files one by one")
    for path in paths:
        added = add_file(path, name)
        what = f"the {added.match.part} of {added.match.method}" if added.match.part else added.match.method
        click.echo(f"{path.name} is {what} ({', '.join(added.match.networks)})")
        click.echo(f"  stored as {added.path}")
        click.echo(f"  sha256 {added.sha256}")


@weights.command()
@click.argument("file", type=EXISTING)
@click.option("--out", type=PATH, help="The .safetensors to write.  [default: <method>.safetensors beside FILE]")
@click.option("--as", "name", default="", help="What the file is, where configurations are alike.")
def convert(file: Path, out: Path | None, name: str) -> None:
    """Write a checkpoint as safetensors.

    With the method's networks alone, all in one file, which loads faster and cannot hold code.

    \b
    bench weights convert vox-cpk.pth.tar --out fomm.safetensors
    """
    from talkbench.methods.weights import convert as convert_file

    match, written = convert_file(file, out, name)
    click.echo(f"{file.name} is {match.method}; written to {written}")
