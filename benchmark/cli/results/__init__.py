"""`bench results`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.groups import FolderGroup


@click.group(cls=FolderGroup, package=__name__)
def command() -> None:
    """Pass results on, take them in, and check them.

    \b
    bench results export runs/mcnet-demo      write a run as an entry of the leaderboard
    bench results validate results/entries    what a reviewer of entries runs
    """


def size(folder: Path) -> str:
    """How large the files of a folder are together."""
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.2f} MB"
