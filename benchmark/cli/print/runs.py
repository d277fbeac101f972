"""A stored run on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from talkbench.benchmark.cli.print.console import console, print_entries


def print_run(folder: Path) -> None:
    """The numbers of a run, as at its end, and how far models agree that measure one thing.

    Raises:
        TalkbenchError: files of the run are damaged.
    """
    from talkbench.reports.runs import Run
    from talkbench.reports.statistics.agreement import READING, agreements
    from talkbench.reports.tables.terminal import print_terminal
    from talkbench.results import RunStore

    run = Run.load(RunStore(folder))
    print_terminal(run.record, run.summary)
    if lines := agreements(run.record.metrics, run.pair_rows()):
        headings = ("how models agree", "pairs", "Spearman", "Pearson", "remarks")
        entries = [(f"{line.first} and {line.second}", *line.cells, line.problem) for line in lines]
        print_entries(headings, entries, headings[1:4])
        console().print(Text(READING, style="dim"), soft_wrap=True)
    if (folder / "index.html").is_file():
        console().print(Text(f"page    {folder / 'index.html'}"), soft_wrap=True)
