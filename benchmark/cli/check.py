"""`bench check`: checks that a method, whoever wrote it, keeps the rules, and a program its card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from talkbench.benchmark.cli.groups import NearestGroup
from talkbench.benchmark.cli.options import OPTIONS, POSITIVE, dataset_names
from talkbench.benchmark.cli.output import answer, json_option


@click.group(cls=NearestGroup)
def command() -> None:
    """Check a method, or a program by its card.

    \b
    bench check method mcnet
    bench check program mine.yaml
    """


@command.command()
@click.argument("card")
@click.option("--dataset", default="demo", show_default=True, callback=dataset_names, help="Data set of the dry run.")
@OPTIONS["root"]
@click.option("--image-size", type=POSITIVE, help="Side in pixels of the images, where the card has none.")
@OPTIONS["device"]
@OPTIONS["set"]
@json_option("findings, of each subject, state (sound, fault, unclear, unsaid) and text")
def program(card: str, as_json: bool, **options: Any) -> None:
    """Check that a card says what its program does.

    CARD is a program of bench list programs or a .yaml file of your own. The program is run on two short clips, each
    driven by itself, so that its frames can be compared with the true ones; what it writes is looked at: montage, size,
    rate, offset, crop, seed. What cannot be told is called unclear. The exit code is 0 if there is no fault, else 1.

    \b
    bench check program mine.yaml
    bench check program liveportrait-original --set checkout=LivePortrait --set python=LivePortrait/.venv/bin/python
    """
    from talkbench.benchmark.cli.print.figures import print_findings
    from talkbench.benchmark.cli.progress import RunDisplay

    with RunDisplay("calls") as display:  # which moves while the libraries are loaded
        from talkbench.benchmark.programs.check import ProgramCheck, check_program

        findings = check_program(ProgramCheck(card, **options), display)
    if as_json:
        answer(findings=findings)
    else:
        print_findings(card, findings)
    if any(finding.state == "fault" for finding in findings):
        sys.exit(1)


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
