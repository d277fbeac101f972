"""Measured cells: the number of a run for a column, how its test differs from the published one, and which are best.

Cells that may not be compared carry a mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from talkbench.reports.data_ids import OLDER
from talkbench.reports.numbers import coverage, format_mean
from talkbench.reports.runs import Run
from talkbench.reports.tables.layout import LayoutColumn, LayoutGroup
from talkbench.results import MetricSpec, MetricSummary, RunRecord

MAX_COVERAGE_GAP = 0.01
"""Shares of pairs used may differ by this much in a ranking (docs/specs/evaluation.md 4, point 3)."""


@dataclass
class MeasuredCell:
    """A measured cell in the making.

    Attributes:
        spec: None if the run lacks the metric; with the decimals that the column prints.
        result: None if the run lacks the metric.
        notes: what a reader must know of the number, each to become a mark.
        departures: notes that keep it from being compared with the published number.
        best, second: whether it is that among the comparable cells of its column.
    """

    run: Run
    spec: MetricSpec | None
    result: MetricSummary | None
    notes: list[str] = field(default_factory=list)
    departures: list[str] = field(default_factory=list)
    best: bool = False
    second: bool = False

    @property
    def text(self) -> str:
        return format_mean(self.result, self.spec) if self.result and self.spec else "n/a"

    @property
    def protocol(self) -> str:
        return self.run.record.protocol_id(self.spec.name) if self.spec else ""

    @property
    def data_id(self) -> str:
        return self.run.record.dataset.data_id

    @property
    def share(self) -> float:
        """Pairs used, as a share of all."""
        return self.result.pairs / max(1, self.run.record.dataset.pairs) if self.result else 0.0


def measured_cell(run: Run, candidates: Sequence[str], metric: str, decimals: int | None = None) -> MeasuredCell:
    """The first of the `candidates` that the run has; else a cell with the reason why `metric` is missing.

    Args:
        decimals: printed digits after the point; None: the metric's own.
    """
    specs = {spec.name: spec for spec in run.record.metrics}
    spec = next((specs[name] for name in candidates if name in specs), None)
    if spec is None:
        reasons = [miss.reason for miss in run.record.unavailable if metric in (miss.name, miss.name.split("@", 1)[0])]
        why = reasons[0] if reasons else "it was not asked for in this run"
        return MeasuredCell(run, None, None, [f"metric not computed: {why}"])
    printed_spec = spec if decimals is None else spec.model_copy(update={"decimals": decimals})
    return MeasuredCell(run, printed_spec, run.summary.metric(spec.name))


def column_cell(run: Run, group: LayoutGroup, column: LayoutColumn, decimals: int | None) -> MeasuredCell:
    """The run's number for a column of a layout, with notes on how it differs from the published ones."""
    family = column.metric.lower()
    others = [spec.name for spec in run.record.metrics if spec.family == family]
    cell = measured_cell(run, [*column.variants, *others], family, decimals)
    if cell.spec is None:
        return cell
    cell.departures = _departures(run, group, column, cell.spec)
    cell.notes = list(cell.departures)
    data = run.record.dataset
    same = group.published and not _departs(data.name, group) and not _differing(run.record, group)
    if same and data.list_sha256 not in group.pair_lists:
        cell.notes.insert(0, f"pair list {data.pairs_sha256[:12]} is not verified to be the published one")
    if group.holds(run.record) and group.caveat:
        cell.notes.append(group.caveat)
    if cell.spec.name in column.variants and column.caveat:
        cell.notes.append(f"{cell.spec.name}: {column.caveat}")
    return cell


def _differing(record: RunRecord, group: LayoutGroup) -> list[str]:
    """How the test of a run differs from the group's: in data set and task and, if the group has published numbers, in
    motion, pairs and image size."""
    data = record.dataset
    checks: list[tuple[str, Sequence[str]]] = [(data.name, (group.dataset, *group.others)), (data.task, group.tasks)]
    published = [
        (f"{data.motion} motion", [f"{motion} motion" for motion in group.motions]),
        (f"{data.pairs} pairs", [f"{pairs} pairs" for pairs in group.pairs or (data.pairs,)]),
        (f"{data.image_size} px", (f"{group.image_size} px",)),
    ]
    checks += published if group.published else []
    return [f"{value} instead of {' or '.join(allowed)}" for value, allowed in checks if value not in allowed]


def _departures(run: Run, group: LayoutGroup, column: LayoutColumn, spec: MetricSpec) -> list[str]:
    record = run.record
    differing, notes = _differing(record, group), []
    if differing:
        other = "the published one" if group.published else "that of the column"
        notes.append(f"another test than {other}: {', '.join(differing)}")
    elif departs := _departs(record.dataset.name, group):
        notes.append(departs)
    if spec.name not in column.variants:
        notes.append(f"{spec.name} instead of {column.variants[0]}")
    if group.published and spec.extractor and record.missing_faces != "drop":
        notes.append(f"missing faces: the rule {record.missing_faces} instead of drop")
    return notes


def _departs(dataset: str, group: LayoutGroup) -> str:
    """Why no run on the data set can repeat the group's published test; "": one can."""
    return group.others.get(dataset, group.departs)


def finish(cells: Sequence[MeasuredCell]) -> None:
    """Add notes on other protocols, other data and missing pairs to the cells of a column, then rank them within each
    protocol and data id."""
    present = [cell for cell in cells if cell.spec]
    groups: dict[tuple[str, ...], set[str]] = {}
    for cell in present:
        groups.setdefault(tuple(cell.notes), set()).add(cell.protocol)
    for cell in present:
        if len(groups[tuple(cell.notes)]) > 1:
            cell.notes.append(f"protocol {cell.protocol}: comparable only with cells of the same protocol")
    of_protocol: dict[str, set[str]] = {}
    for cell in present:
        of_protocol.setdefault(cell.protocol, set()).add(cell.data_id)
    for cell in present:
        if len(of_protocol[cell.protocol]) > 1:
            known = f"data id {cell.data_id}: comparable only with cells of the same data id"
            cell.notes.append(known if cell.data_id else OLDER)
    for cell in present:
        if seen := cell.run.record.seen:
            cell.notes.append(f"seen in training: {seen}")
        total = cell.run.record.dataset.pairs
        if cell.result and (text := coverage(cell.result, total)):
            cell.notes.append(text)
            if cell.run.summary.pairs != total:
                cell.departures.append(text)
    for test in sorted({(cell.protocol, cell.data_id) for cell in present}):
        _rank([cell for cell in present if (cell.protocol, cell.data_id) == test])


def _rank(cells: list[MeasuredCell]) -> None:
    """Set `best` among two or more comparable cells and `second` among three or more, ties in print included."""
    ranked = [
        cell
        for cell in cells
        if cell.spec and cell.spec.ranks and cell.run.record.method.ranked
        if cell.result and cell.result.mean is not None
    ]
    if len(ranked) < 2 or ranked[0].spec is None:
        return
    if max(cell.share for cell in ranked) - min(cell.share for cell in ranked) > MAX_COVERAGE_GAP + 1e-9:
        for cell in ranked:
            cell.notes.append("not ranked: the shares of pairs used differ by more than one point")
        return
    values = sorted((float(cell.text) for cell in ranked), reverse=ranked[0].spec.direction == "higher")
    runner_up = next((value for value in values if value != values[0]), None)
    for cell in ranked:
        cell.best = float(cell.text) == values[0]
        cell.second = len(ranked) > 2 and values.count(values[0]) == 1 and float(cell.text) == runner_up
