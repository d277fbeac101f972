"""`bench cache`: the features of real frames that runs keep."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.groups import CONTEXT, NearestGroup


@click.group(cls=NearestGroup, context_settings=CONTEXT)
def command() -> None:
    """See and clear the kept features of real frames.

    What a model finds in a source or driving frame is computed once and kept, so that the next method on the same
    data costs less. At the bound (TALKBENCH_CACHE_SIZE, 4GiB unless set) what was not used for longest leaves.

    \b
    bench cache info
    bench cache clear
    """


@command.command()
def info() -> None:
    """Show what is kept, how large it is, and where.

    \b
    bench cache info
    """
    from talkbench.benchmark.cli.print.lists import print_cache
    from talkbench.metrics import FeatureCache

    print_cache(FeatureCache().info())


@command.command()
@click.argument("extractor", default="")
def clear(extractor: str) -> None:
    """Delete the features of an extractor, or all.

    EXTRACTOR is an id as bench cache info shows it, or the name that it begins with. Without it everything goes, also
    what another version of talkbench has left and what is damaged. Nothing is lost but time.

    \b
    bench cache clear
    bench cache clear mtcnn5
    """
    from rich.filesize import decimal

    from talkbench.metrics import FeatureCache

    features = FeatureCache()
    freed = features.clear(extractor)
    click.echo(f"freed   {decimal(freed)}   ({extractor or 'everything'} in {features.folder})")
