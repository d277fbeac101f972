"""`bench results`."""

from __future__ import annotations

from pathlib import Path

import click

from talkbench.benchmark.cli.groups import FolderGroup


@click.group(cls=FolderGroup, package=__name__)
def command() -> None:
    """Export, import and check results.

    \b
    bench results export runs/mcnet-demo      write a run as an entry of the leaderboard
    bench results validate results/entries    check entries, as a reviewer does
    bench results review results/entries/mine one entry on one screen
    """


def size(folder: Path) -> str:
    """The size of all files in a folder together, in words."""
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.2f} MB"
