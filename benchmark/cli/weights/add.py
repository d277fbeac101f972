"""`bench weights add`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.options import each
from talkbench.core.errors import TalkbenchError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--as", "name", default="", help="What the file is, if it cannot be recognised: tpsm@ted-384, body-pose …"
)  # fmt: skip
def command(files: tuple[Path, ...], name: str) -> None:
    """Recognise weights and store them.

    Weights of methods are recognised by their contents, model files of metrics by their hash or published name, files
    of data sets by their hash. Where several published models have the same networks (those of fomm, mraa and tpsm),
    their contents tell only if they have a published hash; else say with --as which one it is. FILES are files or
    folders; of a folder, for example one of bench weights export, all files are added.

    \b
    bench weights add ~/Downloads/00000099-checkpoint.pth.tar
    bench weights add ~/Downloads/vox-cpk.pth.tar --as fomm@vox-256
    bench weights add ~/Downloads/pose.pth --as body-pose
    bench weights add /media/stick/weights
    """
    from talkbench.benchmark.model_files import FileToAdd, add, files_to_add
    from talkbench.core.model_files import digest

    def act(file: FileToAdd) -> None:
        added = add(file, name)
        click.echo(f"{file.path.name} is {added.what}")
        for remark in added.remarks:
            click.echo(f"  {remark}")
        click.echo(f"  stored as {added.path}")
        click.echo(f"  sha256 {digest(added.path)}")

    chosen: dict[FileToAdd, None] = {}
    complaints: list[str] = []
    for file in files:
        inside, absent = files_to_add(file)
        chosen |= dict.fromkeys(inside)
        complaints += absent
    if name and len(chosen) > 1:
        raise TalkbenchError("--as says what one file is; add the files one by one")
    each(chosen, act, complaints)
