"""`bench show`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.output import answer, equipped, json_option
from talkbench.core.errors import TalkbenchError


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="[KIND] NAME|RUN")
@click.option(
    "--as-config", is_flag=True, help="Of a run, print the file for bench run --config that makes it once more."
)
@json_option(
    "kind, name and the card, of a method its published numbers too; of a run folder, record, summary and how models "
    "agree"
)
def command(what: tuple[str, ...], as_config: bool, as_json: bool) -> None:
    """Show what is known of anything in bench list, or of a run.

    NAME is of a method, metric, extractor, data set, protocol, table, recipe or program. Of a method its paper,
    licences, training data, variants, weights, and the numbers that were published of it; of a metric what it computes
    and what it needs; of a data set where it comes from, its licence, its layout and its lists; of a protocol every
    choice that it makes, and why; of a program its card as it is written. KIND is only needed where two things have one
    name.

    Of a run, named by its folder, the numbers, and how far models agree that measure one thing (akd@dlib68, akd@mp68).

    \b
    bench show fomm
    bench show psnr
    bench show dataset hdtf
    bench show mcnet-2023
    bench show runs/mcnet-demo-same-identity-20260101-120000-0a1b2c3d
    bench show runs/mcnet-demo-same-identity-20260101-120000-0a1b2c3d --as-config > run.yaml
    """
    from talkbench.benchmark.names import kind, kinds_of

    if as_config and as_json:
        raise click.UsageError("--as-config writes YAML and --json JSON; give one of them")
    *named, name = what
    if not named and (Path(name) / "run.json").is_file():
        _show_run(Path(name), as_config, as_json)
        return
    if as_config:
        raise TalkbenchError(f"--as-config is for a run, and {name} is no folder of one")
    if len(named) > 1:
        raise click.UsageError(f"show takes one name, or a kind and a name, not {' '.join(what)!r}")
    kinds = [kind(named[0])] if named else kinds_of(name)
    if len(kinds) > 1:
        choices = " or ".join(f"bench show {each} {name}" for each in kinds)
        raise TalkbenchError(f"{name} is a {' and a '.join(kinds)}; say which: {choices}")
    if as_json:
        from talkbench.benchmark.cli.print.documents import documented

        answer(kind=kinds[0], name=name, **documented(kinds[0], name))
        return
    from talkbench.benchmark.cli.print.cards import PRINTERS

    PRINTERS[kinds[0]](name)


def _show_run(folder: Path, as_config: bool, as_json: bool) -> None:
    from talkbench.benchmark.cli.print.documents import documented_run
    from talkbench.benchmark.cli.print.runs import print_run
    from talkbench.results import RunStore

    if as_config:
        from talkbench.benchmark.cli.run import command as run
        from talkbench.benchmark.cli.run_file import config_of

        click.echo(config_of(RunStore(folder).read_record(), equipped(run)), nl=False)
    elif as_json:
        answer(**documented_run(folder))
    else:
        print_run(folder)
