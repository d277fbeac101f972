"""`bench check`: checks that a method, whoever wrote it, keeps the rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from talkbench.benchmark.cli.groups import NearestGroup
from talkbench.benchmark.cli.options import OPTIONS


@click.group(cls=NearestGroup)
def command() -> None:
    """Check that a method keeps the rules.

    \b
    bench check method mcnet
    """


@command.command()
@click.argument("name")
@OPTIONS["checkpoint"]
@OPTIONS["device"]
@OPTIONS["set"]
def method(name: str, checkpoint: Path | None, device: str, settings: dict[str, object]) -> None:
    """Check that a method keeps the promises of talkbench.methods.interface.

    NAME is a method of talkbench or of an installed package. Without --checkpoint it gets fresh weights from a
    fixed seed, which are enough for every check. A dozen images are rendered. The exit code is 0 if no check fails,
    else 1.

    \b
    bench check method mcnet
    bench check method mine --checkpoint mine.safetensors --device cuda
    """
    from talkbench.benchmark.cli.print.figures import print_verdicts
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("checks") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.conformance.checks import check_method
        from talkbench.benchmark.conformance.subject import CheckOptions

        verdicts = check_method(CheckOptions(name, checkpoint, device, settings), display)
    print_verdicts(name, verdicts)
    if any(verdict.status == "fail" for verdict in verdicts):
        sys.exit(1)
