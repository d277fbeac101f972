"""`bench show`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.core.errors import TalkbenchError


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="[KIND] NAME|RUN")
def command(what: tuple[str, ...]) -> None:
    """Show what is known of anything in bench list, or of a run.

    NAME is of a method, metric, extractor, data set, protocol, table or recipe. Of a method its paper, licences,
    training data, variants, weights, and the numbers that were published of it; of a metric what it computes and what
    it needs; of a data set where it comes from, its licence, its layout and its lists; of a protocol every choice that
    it makes, and why. KIND is only needed where two things have one name.

    Of a run, named by its folder, the numbers, and how far models agree that measure one thing (akd@dlib68, akd@mp68).

    \b
    bench show fomm
    bench show psnr
    bench show dataset hdtf
    bench show mcnet-2023
    bench show runs/mcnet-demo-same-identity-20260101-120000-0a1b2c3d
    """
    from talkbench.benchmark.cli.print.cards import PRINTERS
    from talkbench.benchmark.cli.print.runs import print_run
    from talkbench.benchmark.names import kind, kinds_of

    *named, name = what
    if not named and (Path(name) / "run.json").is_file():
        print_run(Path(name))
        return
    if len(named) > 1:
        raise click.UsageError(f"show takes one name, or a kind and a name, not {' '.join(what)!r}")
    kinds = [kind(named[0])] if named else kinds_of(name)
    if len(kinds) > 1:
        choices = " or ".join(f"bench show {each} {name}" for each in kinds)
        raise TalkbenchError(f"{name} is a {' and a '.join(kinds)}; say which: {choices}")
    PRINTERS[kinds[0]](name)
