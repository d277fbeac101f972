"""The sentences under a table: how to read its lines, and what is wrong with the published ones."""

from __future__ import annotations

from collections.abc import Sequence

from talkbench.reports.data_ids import OLDER
from talkbench.reports.runs import Run
from talkbench.reports.statistics.resampling import FEWEST, RESAMPLES, SEED
from talkbench.reports.tables.layout import Layout
from talkbench.results import published

INTERVALS = (
    f"95 % intervals: symmetric bootstrap-t ({RESAMPLES} draws, seed {SEED}) over clusters with all their pairs; a "
    "cluster is a person where the data set says who is in a clip, else a clip. Source × driving clusters, where both "
    "recur in other pairs: Student's interval, of the variance over both. n/a: fewer than "
    f"{FEWEST} clusters in either (bench compare then shows the difference for each), too few that differ, or a metric "
    "that takes whole sets."
)
WORDS = f"In brackets: {'; '.join(f'{word}: {text}' for word, text in published.BASES.items())}."
BEST = "Bold: the best of the measured cells that may be compared; underlined: the second best of three or more."


def legend(layout: Layout, with_published: bool, measured: bool, beside: bool) -> list[str]:
    """How to read the lines."""
    remarks = []
    cells = [cell for group in layout.groups for cell in group.cells()]
    if with_published and cells:
        bold = (
            "bold as in the paper"
            if any(cell.bold for cell in cells)
            else "which ones are bold there is not known, so none is bold here"
        )
        remarks.append(
            "Published: numbers as printed, misprints included, under the methods' own names; a dash stands where the "
            f"table has one; {bold}."
        )
        remarks.append(WORDS)
    if measured:
        remarks.append(BEST)
    if with_published and measured:
        remarks.append("No ranking goes across published and measured numbers, nor across protocols or data ids.")
    if with_published and beside:
        remarks.append(
            "Difference: measured minus published, where the test is the published one as far as is known; else n/a."
        )
    return remarks


_RULES = {
    "intersect": "Pairs without a face in one run's generated frame are left out of all runs of the same pairs.",
    "worst": "Pairs without a face in the generated frame count the worst value that the metric has.",
}


def about(runs: Sequence[Run], intervals: bool) -> list[str]:
    """Remarks that a reader of the measured lines needs."""
    remarks = [_RULES[rule] for rule in dict.fromkeys(run.record.missing_faces for run in runs) if rule in _RULES]
    if intervals and runs:
        remarks.append(INTERVALS)
    unranked = [run.record.method.name for run in runs if not run.record.method.ranked]
    if unranked:
        remarks.append(f"Not ranked: {', '.join(dict.fromkeys(unranked))}, a yardstick that sees the truth.")
    if any(frames and not frames.program for frames in (run.record.method.frames for run in runs)):
        remarks.append("Frames given: another program made them, by its user's account; they were only scored here.")
    if runs and not any(run.record.dataset.data_id for run in runs):
        remarks.append(f"Measured: {OLDER}.")
    return remarks


def contradictions(layout: Layout) -> tuple[str, ...]:
    """What is wrong or unclear in the published table, each with the word for what that rests on."""
    return tuple(str(published.notes().notes[key]) for key in layout.notes)
