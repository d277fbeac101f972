"""The tables of `bench verify` and `bench check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from talkbench.benchmark.cli.print.console import console
from talkbench.core.text import visible

if TYPE_CHECKING:
    from talkbench.benchmark.conformance.checks import Verdict
    from talkbench.benchmark.programs.judging import Finding
    from talkbench.benchmark.verify.figures import Figure

STYLES = {"pass": "green", "fail": "bold red", "n/a": "dim"}
FOUND = {"sound": "green", "fault": "bold red", "unclear": "yellow", "unsaid": "dim"}
STATES = {"equal": "green", "different": "bold red", "not checkable": "yellow"}


def print_verdicts(name: str, verdicts: Sequence[Verdict]) -> None:
    """One line per check, then each failure on a line of its own with what was expected, then the count."""
    table = Table(title=Text(f"{name}: what the interface of methods asks for"))
    for heading in ("check", "result"):
        table.add_column(heading, no_wrap=True)
    table.add_column("found", overflow="fold")
    for verdict in verdicts:
        table.add_row(
            verdict.check.name, Text(verdict.status, style=STYLES[verdict.status]), Text(visible(verdict.finding))
        )
    failed = [verdict for verdict in verdicts if verdict.status == "fail"]
    output = console()
    output.print(table)
    for verdict in failed:
        line = f"{verdict.check.name} fails: expected: {verdict.check.expected}; found: {verdict.finding}"
        output.print(Text(visible(line)), soft_wrap=True)
    judged = sum(verdict.status != "n/a" for verdict in verdicts)
    output.print(f"{len(failed)} of {judged} checks fail" if failed else f"all {judged} checks pass", highlight=False)


def print_findings(name: str, findings: Sequence[Finding]) -> None:
    """A line on each subject of a program's dry run, then how many faults there are."""
    table = Table(title=Text(f"{visible(name)}: what its card says and what it does"))
    for heading in ("subject", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        table.add_row(finding.subject, Text(finding.state, style=FOUND[finding.state]), Text(visible(finding.text)))
    output = console()
    output.print(table)
    faults = sum(finding.state == "fault" for finding in findings)
    output.print(f"{faults} faults" if faults > 1 else "1 fault" if faults else "no fault", highlight=False)


def print_figures(name: str, figures: Sequence[Figure], everything: bool = False) -> None:
    """One line on a result; below it, with `everything` all figures, else those that differ."""
    counts: Counter[str] = Counter(figure.state for figure in figures)
    unknown = counts["not checkable"]
    if counts["different"]:
        verdict = f"{counts['different']} differ"
    else:
        verdict = f"{'all' if not unknown else counts['equal']} as stated"
    more = f", {unknown} not checkable here" + ("" if everything else " (-v says why)") if unknown else ""
    console().print(Text(visible(f"{name}: {len(figures)} numbers, {verdict}{more}")), soft_wrap=True)
    shown = figures if everything else [figure for figure in figures if figure.state == "different"]
    if shown:
        _print_table(name, shown)


def _print_table(name: str, figures: Sequence[Figure]) -> None:
    """The figures, with those of one result on a common line."""
    table = Table(title=Text(visible(f"{name}, computed again")))
    for heading in ("from", "of", "figure", "result", "found"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("from", "result"))
    lines = [_line(list(alike)) for _, alike in groupby(figures, key=_one_subject)]
    for (part, what, state, finding), group in groupby(lines, key=lambda line: line[1:]):
        subjects = [line[0] for line in group]
        of = f"{len(subjects)} files" if part == "files" and len(subjects) > 1 else ", ".join(subjects)
        result = Text(state, style=STATES[state])
        table.add_row(Text(part), Text(visible(of)), Text(what), result, Text(visible(finding)))
    console().print(table)


def _one_subject(figure: Figure) -> tuple[str, ...]:
    """The key that figures on one line have in common."""
    return figure.part, figure.subject, figure.state, figure.reason if figure.state == "equal" else figure.name


def _line(alike: Sequence[Figure]) -> tuple[str, str, str, str, str]:
    """Subject, part, names, state and finding of figures on one line. The finding is the reason, else the two values
    that differ, else the mean."""
    names = ", ".join(figure.name.replace("_", " ") for figure in alike)
    main = next((figure for figure in alike if figure.name == "mean"), alike[0])
    finding = main.reason
    if not finding and main.state == "different":
        finding = f"{_brief(main.stored)} is recorded, {_brief(main.found)} found"
    elif not finding and main.name == "mean":
        finding = _brief(main.found)
    return main.subject, main.part, names, main.state, finding


def _brief(value: object) -> str:
    """A value in few characters: 12 digits of a hash, 7 of a number."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value[:12] if len(value) == 64 else value
    if isinstance(value, dict):
        return ", ".join(f"{key} {content}" for key, content in value.items())
    return f"{value:.7g}" if isinstance(value, float) else str(value)
