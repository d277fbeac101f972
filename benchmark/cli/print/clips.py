"""What became of clips that were prepared: in a table, and on the screen."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from talkbench.benchmark.cli.print.faults import SHOWN, print_faults

if TYPE_CHECKING:
    from talkbench.datasets.preparation.cut import CutOutcome


def all_outcomes(batches: Iterable[list[CutOutcome]], total: int) -> list[CutOutcome]:
    """The outcomes of the `total` clips that `batches` prepares, with a bar meanwhile."""
    from talkbench.benchmark.cli.progress import RunDisplay

    outcomes: list[CutOutcome] = []
    with RunDisplay("clips") as display:
        display.start(0, total)
        for batch in batches:
            outcomes += batch
            display.advance(len(batch))
    return outcomes


def name_first(what: str, names: Sequence[str]) -> None:
    """Print a line that names the first of `names`, if there are any."""
    from talkbench.core.text import printable

    if names:
        more = " …" if len(names) > SHOWN else ""
        click.echo(f"{what}: {len(names)} ({', '.join(map(printable, names[:SHOWN]))}{more})")


def report_outcomes(outcomes: Sequence[CutOutcome], path: Path) -> None:
    """Write the clips that failed, or were made of a damaged video, to a table, and print how many were made, there and
    failed."""
    from talkbench.core.files import write_atomic
    from talkbench.core.text import printable

    flagged = sorted(
        (outcome for outcome in outcomes if outcome.detail or not outcome.good), key=lambda outcome: outcome.clip
    )
    text = io.StringIO()
    rows = [(outcome.clip, outcome.video, outcome.status, printable(outcome.detail)) for outcome in flagged]
    csv.writer(text, lineterminator="\n").writerows([("clip", "video", "status", "detail"), *rows])
    write_atomic(path, text.getvalue())
    counts = Counter(outcome.status for outcome in outcomes)
    for status in ("made", "there"):
        click.echo(f"{status:<8}{counts[status]} of {len(outcomes)} clips")
    faults = [
        ("made of a damaged video" if outcome.good else outcome.status, f"{outcome.clip}: {printable(outcome.detail)}")
        for outcome in flagged
    ]
    print_faults(faults, "clips")
