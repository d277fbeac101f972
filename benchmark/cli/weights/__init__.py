"""`bench weights`: checkpoints of the methods, model files of the metrics, and files that clips are cut from."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.groups import CONTEXT, FolderGroup


@click.group(cls=FolderGroup, package=__name__, context_settings=CONTEXT)
def command() -> None:
    """List, fetch and add the model files of methods and metrics.

    talkbench downloads nothing unless you ask. list says what each file is for and where it is published; pull
    downloads the files that a program can download; add stores a file that you have downloaded. For a machine without
    network, export copies the files of another machine. average makes one file of several states of a training.

    \b
    bench weights list --missing
    bench weights pull lpips@vgg
    bench weights add ~/Downloads/vox-cpk.pth.tar --as fomm@vox-256
    """
