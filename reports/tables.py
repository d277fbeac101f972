"""Measured runs as tables, alone and beside published numbers.

Cells that may not be compared carry a mark: measured cells whose protocol is not the published one
(design, idea 4), published cells carried over from another publication (specs evaluation 8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from talkbench.core.errors import TalkbenchError
from talkbench.reports.layout import Column, Layout, load_layout
from talkbench.reports.model import LETTERS, SYMBOLS, Block, Cell, Line, Notes, Table
from talkbench.reports.numbers import coverage, format_mean, heading
from talkbench.reports.runs import Run
from talkbench.results import MetricSpec, MetricSummary, RunRecord, published

MAX_COVERAGE_GAP = 0.01
"""Shares of pairs used may differ by this much in a ranking (specs evaluation 4.3)."""


@dataclass
class _Entry:
    """A measured cell in the making; `result` is None if the run lacks the metric."""

    run: Run
    spec: MetricSpec | None
    result: MetricSummary | None
    notes: list[str] = field(default_factory=list)
    best: bool = False

    @property
    def text(self) -> str:
        return format_mean(self.result, self.spec) if self.result and self.spec else "n/a"

    @property
    def protocol(self) -> str:
        return self.run.record.protocol_id(self.spec.name) if self.spec else ""

    @property
    def share(self) -> float:
        """Pairs used, as a share of all."""
        return self.result.pairs / max(1, self.run.record.dataset.pairs) if self.result else 0.0


def published_table(runs: Sequence[Run], name: str = "1a") -> Table:
    """The table `name` of the MCNet paper as printed, with the measured `runs` in a second block.

    Raises:
        TalkbenchError: no layout of that name.
    """
    layout = load_layout(name)
    cells = published.table(layout.document, layout.table)
    letters, symbols = Notes(LETTERS), Notes(SYMBOLS)
    blocks = [Block("Published", _published_lines(layout, cells, letters))]
    if runs:
        columns = [_measured_column(runs, column, layout) for column in layout.columns]
        blocks.append(Block("Measured", _measured_lines(runs, columns, symbols)))
    heads = {cell.metric: heading(cell.metric, cell.unit, cell.direction) for cell in cells}
    return Table(
        title=layout.title,
        columns=tuple(heads[column.metric] for column in layout.columns),
        blocks=tuple(blocks),
        notes=letters.listed() + symbols.listed(),
        remarks=(*layout.remarks, *_rule(runs), *_yardsticks(runs), *_given(runs)),
    )


def measured_table(runs: Sequence[Run]) -> Table:
    """All metrics that any of the `runs` has, one column each.

    Raises:
        TalkbenchError: there are no runs.
    """
    if not runs:
        raise TalkbenchError("no runs to tabulate; give the folder of at least one run")
    specs = {spec.name: spec for run in runs for spec in run.record.metrics}
    conditions = [_conditions(run.record) for run in runs]
    columns = []
    for name in specs:
        entries = [_entry(run, [name], name) for run in runs]
        if len(set(conditions)) > 1:
            for entry, text in zip(entries, conditions, strict=True):
                if entry.spec:
                    entry.notes.append(text)
        columns.append(_finish(entries))
    notes = Notes(SYMBOLS)
    lines = _measured_lines(runs, columns, notes)
    remarks = [f"All rows: {conditions[0]}."] if len(set(conditions)) == 1 else []
    return Table(
        title="All measured metrics",
        columns=tuple(heading(spec.name, spec.unit, spec.direction) for spec in specs.values()),
        blocks=(Block("Measured", lines),),
        notes=notes.listed(),
        remarks=(
            *remarks,
            "Bold: the best of the cells that may be compared.",
            *_rule(runs),
            *_yardsticks(runs),
            *_given(runs),
        ),
    )


def _published_lines(layout: Layout, cells: Sequence[published.PublishedCell], notes: Notes) -> tuple[Line, ...]:
    by_place = {(cell.system, cell.variant, cell.metric): cell for cell in cells}
    systems = dict.fromkeys((cell.system, cell.variant) for cell in cells)
    return tuple(
        Line(
            " ".join(filter(None, system)),
            tuple(_published_cell(by_place[(*system, column.metric)], notes) for column in layout.columns),
        )
        for system in systems
    )


def _published_cell(cell: published.PublishedCell, notes: Notes) -> Cell:
    text = ""
    if cell.provenance.startswith("carried:"):
        source = cell.provenance.removeprefix("carried:")
        text = f"carried over by the authors from the {_PAPERS.get(source, source)} paper, made by another protocol"
    elif cell.provenance == "uncertain":
        text = "origin uncertain, possibly a copying slip"
    return Cell(cell.value or "–", best=cell.bold == "yes", marks=(notes.mark(text),) if text else ())


_PAPERS = {
    "fomm": "FOMM",
    "marionette": "MarioNETte",
    "meshg": "MeshG",
    "dagan": "DaGAN",
    "mraa": "MRAA",
    "tpsm": "TPSM",
}


def _measured_column(runs: Sequence[Run], column: Column, layout: Layout) -> list[_Entry]:
    entries = []
    for run in runs:
        family = column.metric.lower()
        others = [spec.name for spec in run.record.metrics if spec.family == family]
        entry = _entry(run, [*column.variants, *others], family)
        if entry.spec:
            entry.notes += _departures(run.record, layout, column, entry.spec.name)
        entries.append(entry)
    return _finish(entries)


def _entry(run: Run, candidates: Sequence[str], wanted: str) -> _Entry:
    """The first of the `candidates` that the run has; else the reason why `wanted` is missing."""
    specs = {spec.name: spec for spec in run.record.metrics}
    spec = next((specs[name] for name in candidates if name in specs), None)
    if spec:
        return _Entry(run, spec, run.summary.metric(spec.name))
    reasons = [miss.reason for miss in run.record.unavailable if wanted in (miss.name, miss.name.split("@", 1)[0])]
    return _Entry(
        run, None, None, [f"metric not computed: {reasons[0] if reasons else 'it was not asked for in this run'}"]
    )


def _departures(record: RunRecord, layout: Layout, column: Column, metric: str) -> list[str]:
    """In what a measured cell departs from the protocol of the published column."""
    data, notes = record.dataset, []
    checks = [
        (data.name, layout.dataset),
        (data.task, layout.task),
        (f"{data.motion} motion", f"{layout.motion} motion"),
        (f"{data.pairs} pairs", f"{layout.pairs} pairs"),
        (f"{data.image_size} px", f"{layout.image_size} px"),
    ]
    differing = [f"{mine} instead of {theirs}" for mine, theirs in checks if mine != theirs]
    if differing:
        notes.append(f"another test than the published one: {', '.join(differing)}")
    elif data.pairs_sha256 not in layout.pair_lists:
        notes.append(f"pair list {data.pairs_sha256[:12]} is not verified to be the published one")
    if metric not in column.variants:
        notes.append(f"{metric} instead of {column.variants[0]}")
    elif column.caveat:
        notes.append(f"{metric}: {column.caveat}")
    return notes


def _finish(entries: list[_Entry]) -> list[_Entry]:
    """Mark what protocols or counts of pairs tell apart, then find the best within each protocol."""
    present = [entry for entry in entries if entry.spec]
    groups: dict[tuple[str, ...], set[str]] = {}
    for entry in present:
        groups.setdefault(tuple(entry.notes), set()).add(entry.protocol)
    for entry in present:
        if len(groups[tuple(entry.notes)]) > 1:
            entry.notes.append(f"protocol {entry.protocol}: comparable only with cells of the same protocol")
    for entry in present:
        if entry.result and (text := coverage(entry.result, entry.run.record.dataset.pairs)):
            entry.notes.append(text)
    for protocol in sorted({entry.protocol for entry in present}):
        _rank([entry for entry in present if entry.protocol == protocol])
    return entries


def _rank(entries: list[_Entry]) -> None:
    """Set `best`, ties in print included, among two or more comparable cells."""
    ranked = [
        entry
        for entry in entries
        if entry.spec and entry.spec.ranks and entry.run.record.method.ranked
        if entry.result and entry.result.mean is not None
    ]
    if len(ranked) < 2 or ranked[0].spec is None:
        return
    if max(entry.share for entry in ranked) - min(entry.share for entry in ranked) > MAX_COVERAGE_GAP + 1e-9:
        for entry in ranked:
            entry.notes.append("not ranked: the shares of pairs used differ by more than one point")
        return
    pick = max if ranked[0].spec.direction == "higher" else min
    best = pick(float(entry.text) for entry in ranked)
    for entry in ranked:
        entry.best = float(entry.text) == best


def _measured_lines(runs: Sequence[Run], columns: Sequence[Sequence[_Entry]], notes: Notes) -> tuple[Line, ...]:
    labels = [run.record.method.name for run in runs]
    lines = []
    for number, run in enumerate(runs):
        label = labels[number]
        if Counter(labels)[label] > 1:
            label = f"{label}, run {run.record.run_id}"
        cells = tuple(
            Cell(entry.text, entry.best, tuple(notes.mark(text) for text in entry.notes))
            for entry in (column[number] for column in columns)
        )
        lines.append(Line(f"{label} ({_sample(run)})", cells))
    return tuple(lines)


def _sample(run: Run) -> str:
    """``n = 200``, with what a reader must know about the row."""
    total, done = run.record.dataset.pairs, run.summary.pairs
    count = f"n = {total}" if done == total else f"incomplete, n = {done} of {total}"
    if run.record.method.frames:
        count += ", frames given"
    return count if run.record.method.ranked else f"{count}, not ranked"


def _yardsticks(runs: Sequence[Run]) -> list[str]:
    names = [run.record.method.name for run in runs if not run.record.method.ranked]
    return [f"Not ranked: {', '.join(dict.fromkeys(names))}, a yardstick that sees the truth."] if names else []


def _given(runs: Sequence[Run]) -> list[str]:
    given = any(run.record.method.frames for run in runs)
    return ["Frames given: another program made them, as its user says; they were scored here."] if given else []


_RULES = {
    "intersect": "Pairs without a face in one run's generated frame are left out of all runs of the same pairs.",
    "worst": "Pairs without a face in the generated frame count the worst value that the metric has.",
}


def _rule(runs: Sequence[Run]) -> list[str]:
    return [_RULES[rule] for rule in dict.fromkeys(run.record.missing_faces for run in runs) if rule in _RULES]


def _conditions(record: RunRecord) -> str:
    data = record.dataset
    return f"{data.name}, {data.task}, {data.motion} motion, {data.pairs} pairs, {data.image_size} px"
