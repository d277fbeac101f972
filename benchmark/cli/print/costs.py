"""The tables of `bench perf`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from talkbench.benchmark.cli.print.console import console

if TYPE_CHECKING:
    from talkbench.benchmark.perf.against import Ratio
    from talkbench.benchmark.perf.methods import MethodRow
    from talkbench.benchmark.perf.metrics import MetricRow
    from talkbench.benchmark.perf.training import TrainRow


def print_costs(rows: Sequence[MethodRow]) -> None:
    """One line per setting: the cost of a driving frame whose source is encoded already, and of a cold pair."""
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
    """One line per setting: arithmetic per sample, times of the parts of a step; below, the arithmetic of each
    module."""
    first = rows[0].setting
    read = f"{first.workers} processes read frames" if first.workers else "the main process reads frames"
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
    compared = " or ".join(dict.fromkeys(row.setting.image_loss for row in rows))
    title = f"training on {first.device}, torch {first.torch}, {compared}, {read}"
    _print_costs(title, headings, lines, [*modules, *_not_measured(rows)])


def print_metric_costs(rows: Sequence[MetricRow]) -> None:
    """One line per extractor, image metric and whole set, then why some could not be measured."""
    from talkbench.benchmark.perf.metrics import not_measured

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
    below += [f"not measured: {line}" for line in not_measured(rows)]
    _print_costs(title, headings, lines, below)


def print_ratios(ratios: Sequence[Ratio]) -> None:
    """One line per time that was measured before too."""
    lines = [
        [ratio.setting, ratio.time, f"{ratio.before:.2f}", f"{ratio.now:.2f}", f"{ratio.ratio:.3f} x", ratio.table]
        for ratio in ratios
    ]
    headings = ("setting", "time", "before, ms", "now, ms", "as fast", "table")
    _print_costs("against earlier measurements", headings, lines, [])


def _not_measured(rows: Sequence[MethodRow] | Sequence[TrainRow]) -> list[str]:
    return [
        f"not measured: {row.setting.method}, {row.setting.mode}, batch of {row.setting.batch_size}: {row.reason}"
        for row in rows
        if row.reason
    ]


def _print_costs(title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], below: Sequence[str]) -> None:
    """Print a table whose first two columns are words, and the sentences `below` it, each once. On a narrow terminal
    the table is wider than the terminal, so that no digit is cut off."""
    table = Table(title=Text(title))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < 2 else "right", no_wrap=True)
    for cells in lines:
        table.add_row(*(Text(cell) for cell in cells))
    output = console()
    output.width = max(output.width, output.measure(table, options=output.options.update(width=1000)).minimum)
    output.print(table)
    for sentence in dict.fromkeys(below):
        output.print(Text(sentence), soft_wrap=True)
