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

    Weights of methods are recognised by their contents, model files of metrics by their hash or published name. FILES
    are files or folders; of a folder, for example one of bench weights export, all files are added.

    \b
    bench weights add ~/Downloads/vox-cpk.pth.tar
    bench weights add ~/Downloads/ted.pth.tar --as tpsm@ted-384
    bench weights add ~/Downloads/pose.pth --as body-pose
    bench weights add /media/stick/weights
    """
    from talkbench.benchmark.model_files import add, files_to_add
    from talkbench.core.model_files import digest

    def act(item: tuple[Path, str]) -> None:
        path, sha256 = item
        added = add(path, name, sha256)
        click.echo(f"{path.name} is {added.what}")
        click.echo(f"  stored as {added.path}")
        click.echo(f"  sha256 {digest(added.path)}")

    paths: dict[Path, str] = {}
    complaints: list[str] = []
    for file in files:
        inside, absent = files_to_add(file)
        paths |= inside
        complaints += absent
    if name and len(paths) > 1:
        raise TalkbenchError("--as says what one file is; add the files one by one")
    each(paths.items(), act, complaints)
