"""`bench weights`: the checkpoints of the methods and the model files of the metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.options import CONTEXT, EXISTING, PATH, NearestGroup, each
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.benchmark.model_files import Entry


@click.group(cls=NearestGroup, context_settings=CONTEXT)
def weights() -> None:
    """See, fetch and add the models of methods and metrics.

    Nothing is ever downloaded by itself. The list says what each file is for and where it is published; pull fetches
    what a program can fetch, and add puts a file that you have to where it is looked for. A machine without network
    gets its files by export on another one.

    \b
    bench weights list --missing
    bench weights pull lpips@vgg
    bench weights add ~/Downloads/vox-cpk.pth.tar
    """


@weights.command("list")
@click.argument("name", default="")
@click.option("--missing", is_flag=True, help="Only the files that are not there or damaged.")
def list_(name: str, missing: bool) -> None:
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
    from talkbench.benchmark.cli.print.cards import print_weights
    from talkbench.benchmark.model_files import entries

    print_weights([entry for entry in entries([name] if name else []) if not missing or entry.wanting])


@weights.command()
@click.argument("names", nargs=-1)
def pull(names: tuple[str, ...]) -> None:
    """Fetch model files of the metrics.

    NAMES are metrics, extractors or files; without any, all are fetched that are missing. Each is checked against its
    published hash, or, where there is none, its hash is noted and holds from then on. A download that was interrupted
    goes on where it stopped. Mind the licences: some of the files are for non-commercial use only.

    \b
    bench weights pull lpips@vgg akd
    bench weights pull
    """
    from talkbench.benchmark.model_files import entries, fetchable

    each(entries(names) if names else fetchable(), _pull)


def _pull(entry: Entry) -> None:
    from talkbench.benchmark.cli.print.cards import DownloadBar
    from talkbench.benchmark.model_files import pull

    if not entry.wanting:
        click.echo(f"{entry.name} is there already: {entry.path}")
        return
    with DownloadBar(entry.name) as bar:
        path = pull(entry, bar)
    click.echo(f"{entry.name} is fetched; licence: {entry.licence}")
    click.echo(f"  stored as {path}")


@weights.command()
@click.argument("folder", type=PATH)
@click.argument("names", nargs=-1)
def export(folder: Path, names: tuple[str, ...]) -> None:
    """Copy weights into a folder for a machine without network.

    All that are there, or those of NAMES: methods, metrics, extractors, files. There, bench weights add FOLDER takes
    them in, and checks them against the SHA256SUMS that is written beside them.

    \b
    bench weights export /media/stick/weights
    bench weights export /media/stick/weights akd lpips@vgg fomm
    """
    from talkbench.benchmark.model_files import SHIPPED, entries
    from talkbench.benchmark.model_files import export as export_file

    def act(entry: Entry) -> None:
        export_file(entry, folder)
        click.echo(f"{entry.name} is exported to {folder / entry.place}; licence: {entry.licence}")

    chosen = [entry for entry in entries(names) if entry.status != SHIPPED and (names or entry.status != "missing")]
    if not chosen:
        raise TalkbenchError("there is nothing to export; see: bench weights list")
    each(chosen, act)


@weights.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--as", "name", default="", help="What the file is, where it cannot be told: tpsm@ted-384, body-pose …"
)  # fmt: skip
def add(files: tuple[Path, ...], name: str) -> None:
    """Recognise weights and store them.

    Those of methods by their contents, those of metrics by their hash or published name. FILES are files, or folders
    all of whose files are taken, such as one that bench weights export has made.

    \b
    bench weights add ~/Downloads/vox-cpk.pth.tar
    bench weights add ~/Downloads/ted.pth.tar --as tpsm@ted-384
    bench weights add ~/Downloads/pose.pth --as body-pose
    bench weights add /media/stick/weights
    """
    from talkbench.benchmark.model_files import add as add_file
    from talkbench.benchmark.model_files import found
    from talkbench.core.model_files import digest

    def act(item: tuple[Path, str]) -> None:
        path, sha256 = item
        added = add_file(path, name, sha256)
        click.echo(f"{path.name} is {added.what}")
        click.echo(f"  stored as {added.path}")
        click.echo(f"  sha256 {digest(added.path)}")

    paths: dict[Path, str] = {}
    complaints: list[str] = []
    for given in files:
        inside, absent = found(given)
        paths |= inside
        complaints += absent
    if name and len(paths) > 1:
        raise TalkbenchError("--as says what one file is; add the files one by one")
    each(paths.items(), act, complaints)


@weights.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Check the hashes of the files that are there.

    Of NAMES: methods, metrics, extractors, files; or of all. The exit code is 2 if one is damaged.

    \b
    bench weights verify
    bench weights verify lpips@vgg
    """
    from talkbench.benchmark.model_files import entries, fault

    def act(entry: Entry) -> None:
        if entry.status == "damaged":
            raise TalkbenchError(fault(entry))
        click.echo(f"{entry.status:8}  {entry.name}  {entry.path}")

    each([entry for entry in entries(names) if entry.status != "missing"], act)


@weights.command()
@click.argument("file", type=EXISTING)
@click.option("--out", type=PATH, help="The file to write.  [default: beside FILE, named after what it is]")
@click.option("--as", "name", default="", help="What the file is, where configurations are alike.")
@click.option("--official", is_flag=True, help="As the authors lay out theirs, for their code to read.")
def convert(file: Path, out: Path | None, name: str, official: bool) -> None:
    """Write a method's checkpoint as safetensors, or as its authors do.

    With the method's networks alone, all in one file, which loads faster and cannot hold code.

    \b
    bench weights convert vox-cpk.pth.tar --out fomm.safetensors
    bench weights convert checkpoints/mcnet-voxceleb1/best.safetensors --official
    """
    from talkbench.methods.checkpoint_store import convert as convert_file
    from talkbench.methods.checkpoint_store import convert_official

    match, written = (convert_official if official else convert_file)(file, out, name)
    click.echo(f"{file.name} is {match.method}; written to {written}")
