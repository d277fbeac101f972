"""`bench cache`: the features of real frames that runs store for later runs."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.groups import CONTEXT, NearestGroup


@click.group(cls=NearestGroup, context_settings=CONTEXT)
def command() -> None:
    """Show and clear the stored features of real frames.

    Metrics compute the features of a source or driving frame once and store them, so that the next method on the same
    data takes less time. If the cache is larger than TALKBENCH_CACHE_SIZE (4GiB unless set), it deletes the features
    that have not been used for the longest time.

    \b
    bench cache info
    bench cache clear
    """


@command.command()
def info() -> None:
    """Show which features are stored, how large they are, and where.

    \b
    bench cache info
    """
    from talkbench.benchmark.cli.print.lists import print_cache
    from talkbench.metrics import FeatureCache

    print_cache(FeatureCache().info())


@command.command()
@click.argument("extractor", default="")
def clear(extractor: str) -> None:
    """Delete the stored features of an extractor, or all.

    EXTRACTOR is an id that bench cache info shows, or the name at the beginning of one. Without it everything is
    deleted, including damaged files and those of other versions of talkbench. Runs compute again what they need.

    \b
    bench cache clear
    bench cache clear mtcnn5
    """
    from rich.filesize import decimal

    from talkbench.metrics import FeatureCache

    features = FeatureCache()
    freed = features.clear(extractor)
    click.echo(f"freed   {decimal(freed)}   ({extractor or 'everything'} in {features.folder})")
