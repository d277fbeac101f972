"""What `bench cache`, `bench check`, `bench perf` and `bench verify` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from talkbench.benchmark.conformance.checks import Verdict
    from talkbench.benchmark.perf.methods import Row
    from talkbench.benchmark.perf.metrics import MetricRow
    from talkbench.benchmark.perf.training import TrainRow
    from talkbench.benchmark.verify.figures import Figure
    from talkbench.metrics.cache import CacheInfo

STYLES = {"pass": "green", "fail": "bold red", "n/a": "dim"}
STATES = {"equal": "green", "different": "bold red", "not checkable": "yellow"}


def print_verdicts(name: str, verdicts: Sequence[Verdict]) -> None:
    """One line per check, then each failure on a line of its own with what was expected, then the count."""
    table = Table(title=Text(f"{name}: what the interface of methods asks for"))
    for heading in ("check", "result"):
        table.add_column(heading, no_wrap=True)
    table.add_column("found", overflow="fold")
    for verdict in verdicts:
        table.add_row(verdict.check.name, Text(verdict.status, style=STYLES[verdict.status]), Text(verdict.found))
    failed = [verdict for verdict in verdicts if verdict.status == "fail"]
    console = _console()
    console.print(table)
    for verdict in failed:
        line = f"{verdict.check.name} fails: expected: {verdict.check.expected}; found: {verdict.found}"
        console.print(Text(line), soft_wrap=True)
    judged = sum(verdict.status != "n/a" for verdict in verdicts)
    console.print(f"{len(failed)} of {judged} checks fail" if failed else f"all {judged} checks pass", highlight=False)


def print_costs(rows: Sequence[Row]) -> None:
    """One line per setting: per driving frame with the source encoded before, and (cold) per pair from scratch."""
    first = rows[0].setting
    headings = ("method", "mode", "batch", "parameters", "GFLOP", "cold", "ms", "cold", "frames/s", "peak MiB", "cold")
    lines = []
    for row in rows:
        cells = [row.setting.method, row.setting.mode, str(row.setting.batch_size)]
        if row.cost:
            cost = row.cost
            cells += [f"{cost.parameters:,}", f"{cost.gflop_frame:.2f}", f"{cost.gflop_cold:.2f}"]
            cells += [f"{cost.ms_frame:.2f}", f"{cost.ms_cold:.2f}", f"{cost.frames_per_second:.2f}"]
            cells += [f"{cost.mib_frame:.0f}", f"{cost.mib_cold:.0f}"]
        lines.append(cells)
    _print_costs(f"{first.device}, torch {first.torch}", headings, lines, _not_measured(rows))


def print_training_costs(rows: Sequence[TrainRow]) -> None:
    """One line per setting: per sample the arithmetic, per step the times of its parts; then that of each module."""
    first = rows[0].setting
    read = f"{first.workers} processes read frames" if first.workers else "no process of its own reads frames"
    headings = ("method", "mode", "batch", "images/s", "GFLOP", "modules", "ms", "data", "forward", "perceptual",
                "backward", "optimiser", "data faster", "peak MiB")  # fmt: skip
    lines = []
    for row in rows:
        cells = [row.setting.method, row.setting.mode, str(row.setting.batch_size)]
        if row.cost:
            cost = row.cost
            cells += [f"{cost.images_per_second:.2f}", f"{cost.gflop_step:.2f}", f"{cost.gflop_modules:.2f}"]
            cells += [f"{value:.1f}" for value in (cost.ms_step, cost.ms_data, cost.ms_forward)]
            cells += ["" if cost.ms_perceptual is None else f"{cost.ms_perceptual:.1f}"]
            cells += [f"{cost.ms_backward:.1f}", f"{cost.ms_optimiser:.1f}", f"{cost.data_ratio:.1f} x"]
            cells += [f"{cost.mib_step:.0f}"]
        lines.append(cells)
    modules = [f"GFLOP of the modules of {row.setting.method}: {row.cost.modules}" for row in rows if row.cost]
    title = f"training on {first.device}, torch {first.torch}, {first.image_loss}, {read}"
    _print_costs(title, headings, lines, [*modules, *_not_measured(rows)])


def print_metric_costs(rows: Sequence[MetricRow]) -> None:
    """One line per extractor, image metric and whole set, then why some could not be measured."""
    first = rows[0].setting
    lines = []
    for row in rows:
        cells = [row.setting.name, row.setting.kind, str(row.setting.batch_size)]
        if row.cost:
            cells += [f"{row.cost.frames_per_second:.2f}", f"{row.cost.ms_64:.0f}", f"{row.cost.mib:.0f}"]
            cells += ["" if row.cost.found is None else f"{row.cost.found} of {row.setting.batch_size}"]
        lines.append(cells)
    title = f"{first.device}, torch {first.torch}, {first.frames} frames, {first.size}x{first.size}"
    headings = ("measured", "what", "batch", "per second", "ms per 64", "peak MiB", "found")
    below = [row.remark for row in rows if row.remark]
    below += [f"not measured: {row.setting.name}: {row.reason}" for row in rows if row.reason]
    _print_costs(title, headings, lines, below)


def _not_measured(rows: Sequence[Row] | Sequence[TrainRow]) -> list[str]:
    return [
        f"not measured: {row.setting.method}, {row.setting.mode}, batch of {row.setting.batch_size}: {row.reason}"
        for row in rows
        if row.reason
    ]


def _print_costs(title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], below: Sequence[str]) -> None:
    """A table whose first two columns are words, wider than a narrow terminal rather than with digits cut off, and
    the sentences `below` it, each once."""
    table = Table(title=Text(title))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < 2 else "right", no_wrap=True)
    for cells in lines:
        table.add_row(*(Text(cell) for cell in cells))
    console = _console()
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).minimum)
    console.print(table)
    for sentence in dict.fromkeys(below):
        console.print(Text(sentence), soft_wrap=True)


def print_cache(info: CacheInfo) -> None:
    """What is kept of each extractor, in all, and where."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("extractor", "frames", "size"):
        table.add_column(heading, justify="left" if heading == "extractor" else "right", overflow="fold")
    for usage in info.extractors:
        table.add_row(Text(usage.extractor), f"{usage.frames:,}", decimal(usage.bytes))
    console = _console()
    if info.extractors:
        console.print(table)
    total = f"total   {decimal(info.bytes)} of at most {decimal(info.bound)}"
    console.print(Text(f"{total}\nfile    {info.path}"), soft_wrap=True)


def print_figures(name: str, figures: Sequence[Figure]) -> None:
    """What became of the figures, those that came out alike on one line, then how many came out how."""
    table = Table(title=Text(f"{name}, computed again"))
    for heading in ("from", "of", "figure", "result", "found"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("from", "result"))
    lines = [_line(list(alike)) for _, alike in groupby(figures, key=_one_subject)]
    for (part, what, state, found), group in groupby(lines, key=lambda line: line[1:]):
        subjects = [line[0] for line in group]
        of = f"{len(subjects)} files" if part == "files" and len(subjects) > 1 else ", ".join(subjects)
        result = Text(state, style=STATES[state])
        table.add_row(Text(part), Text(_plain(of)), Text(what), result, Text(_plain(found)))
    console = _console()
    console.print(table)
    counts: Counter[str] = Counter(figure.state for figure in figures)
    console.print(", ".join(f"{counts[state]} {state}" for state in STATES), highlight=False)


def _plain(text: str) -> str:
    """Without characters that steer a terminal, which the names in somebody's result may hold."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _one_subject(figure: Figure) -> tuple[str, ...]:
    """What the figures of a subject have in common that stand on one line."""
    return figure.part, figure.subject, figure.state, figure.reason if figure.state == "equal" else figure.name


def _line(alike: Sequence[Figure]) -> tuple[str, str, str, str, str]:
    """Subject, part, names, state and what there is to say: the reason, else what differs, else the mean."""
    names = ", ".join(figure.name.replace("_", " ") for figure in alike)
    shown = next((figure for figure in alike if figure.name == "mean"), alike[0])
    found = shown.reason
    if not found and shown.state == "different":
        found = f"{_brief(shown.stored)} is recorded, {_brief(shown.found)} found"
    elif not found and shown.name == "mean":
        found = _brief(shown.found)
    return shown.subject, shown.part, names, shown.state, found


def _brief(value: object) -> str:
    """A value in few characters: 12 digits of a hash, 7 of a number."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value[:12] if len(value) == 64 else value
    if isinstance(value, dict):
        return ", ".join(f"{key} {content}" for key, content in value.items())
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # other programs get one line per row
    return console
