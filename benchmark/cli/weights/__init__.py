"""`bench weights`: the checkpoints of the methods and the model files of the metrics."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.groups import CONTEXT, FolderGroup


@click.group(cls=FolderGroup, package=__name__, context_settings=CONTEXT)
def command() -> None:
    """See, fetch and add the models of methods and metrics.

    Nothing is ever downloaded by itself. The list says what each file is for and where it is published; pull fetches
    what a program can fetch, and add puts a file that you have to where it is looked for. A machine without network
    gets its files by export on another one.

    \b
    bench weights list --missing
    bench weights pull lpips@vgg
    bench weights add ~/Downloads/vox-cpk.pth.tar
    """
