"""Entries as groups of lines: one group per test, ranked where numbers may be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from talkbench.core.dataset_cards import may_have_seen, set_names
from talkbench.reports.cards import Cards
from talkbench.reports.data_ids import NONE, OLDER
from talkbench.reports.leaderboard.board import (
    BoardCell,
    BoardColumn,
    BoardGroup,
    BoardLine,
    Clusters,
    GapTable,
    compared,
    main_column,
    ordered,
)
from talkbench.reports.leaderboard.gaps import gap_tables, stillness
from talkbench.reports.leaderboard.kept_statistics import keep, key_of, people_of, recall
from talkbench.reports.numbers import coverage, format_interval, format_mean
from talkbench.reports.runs import Run, by_clip
from talkbench.reports.statistics.clusterings import clusterings, counts_of, in_words
from talkbench.reports.statistics.intervals import Interval, intervals, valued_of
from talkbench.reports.statistics.ranks import rank_intervals
from talkbench.reports.statistics.resampling import FEWEST
from talkbench.reports.statistics.two_way import UNLIMITED
from talkbench.reports.tables.measured_cells import MAX_COVERAGE_GAP
from talkbench.results import MetricSpec, MetricSummary
from talkbench.results.entries import ROWS, Entry

OTHER_PROTOCOL, OTHER_DATA, FEWER_PAIRS, UNFINISHED = "†", "¶", "‡", "§"
LEGEND = {
    OTHER_PROTOCOL: "made under another protocol than the other numbers of its column, so not ranked with them",
    OTHER_DATA: "made on frames that decode otherwise than those of the other numbers of its column (another data id), "
    "or before data ids were recorded, so not ranked with them",
    FEWER_PAIRS: "taken over fewer pairs than other numbers of its column, by more than "
    f"{100 * MAX_COVERAGE_GAP:.0f} % of all pairs, so not ranked",
    UNFINISHED: "the run was not finished, so not ranked",
}


@dataclass
class _EntryNumber:
    """A number of an entry."""

    entry: Entry
    run: Run
    spec: MetricSpec
    result: MetricSummary

    @property
    def protocol(self) -> str:
        return self.run.record.protocol_id(self.spec.name)

    @property
    def data_id(self) -> str:
        return self.run.record.dataset.data_id

    @property
    def facts(self) -> list[object]:
        """What its interval and its rank follow from."""
        spec, record = self.spec, self.run.record
        content, limits = self.entry.info.files[ROWS], self.run.ranges.get(spec.name)
        rule = [spec.aggregation, spec.direction, spec.worst, record.missing_faces]
        return [record.run_id, content, self.protocol, rule, limits and list(map(str, limits))]

    @property
    def share(self) -> float:
        """Pairs used, as a share of all."""
        return self.result.pairs / max(1, self.run.record.dataset.pairs)


def measured_groups(entries: Sequence[Entry], cards: Cards, clusters: Clusters) -> list[BoardGroup]:
    """The entries of one data set and task, those of the same test together, the largest group first."""
    tests: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        tests.setdefault(_facts(entry, cards), []).append(entry)
    groups = [_group(facts, of_test, cards, clusters) for facts, of_test in tests.items()]
    return sorted(groups, key=lambda group: (-len(group.lines), group.title, group.facts))


def _facts(entry: Entry, cards: Cards) -> tuple[str, ...]:
    """What the test was. Entries stand in one group if these facts are the same."""
    record = entry.record
    data = record.dataset
    facts = [
        f"{data.motion} motion",
        f"{data.pairs} pairs",
        f"list {data.pairs_sha256[:12]}",
        cards.dataset(data.name).older(data.list_sha256),
        f"{data.image_size} px",
        {"round": "rounded", "floor": "cut"}.get(record.quantisation, record.quantisation) + " to 8 bits",
        f"JPEG quality {record.jpeg_quality}" if record.jpeg_quality else "",
        f"missing faces: {record.missing_faces}",
    ]
    return tuple(filter(None, facts))


def _group(facts: tuple[str, ...], entries: Sequence[Entry], cards: Cards, clusters: Clusters) -> BoardGroup:
    data = entries[0].record.dataset
    cluster, older = clusters.get(data.name, by_clip), cards.dataset(data.name).older(data.list_sha256)
    ranges = {name: card.range for name, card in cards.metrics.items()}
    runs = [
        Run(entry.record.model_copy(update={"run_id": entry.info.name}), entry.summary, entry.rows(), cluster, ranges)
        for entry in entries
    ]
    baselines, people = [_is_baseline(entry, cards) for entry in entries], people_of(runs)
    columns, table = [], []
    for name in dict.fromkeys(spec.name for run in runs for spec in run.record.metrics):
        numbers = [_number(entry, run, name) for entry, run in zip(entries, runs, strict=True)]
        column, cells = _column(numbers, baselines, people)
        columns.append(column)
        table.append(cells)
    lines = [_line(entry, tuple(cells[number] for cells in table), cards) for number, entry in enumerate(entries)]
    lines = list(ordered(lines, columns))
    used = {cell.marks for cells in table for cell in cells}
    gaps, remarks = _of_main_column(lines, columns, {run.record.run_id: run for run in runs})
    return BoardGroup(
        kind="measured",
        title=", ".join(filter(None, (facts[0].capitalize(), facts[1], older))),
        columns=tuple(columns),
        lines=tuple(lines),
        facts=(*facts, *_data(entries), *_clusters(runs[0])),
        legend=tuple((mark, text) for mark, text in LEGEND.items() if mark in used),
        remarks=remarks,
        gaps=gaps,
    )


def _of_main_column(
    lines: Sequence[BoardLine], columns: Sequence[BoardColumn], runs: Mapping[str, Run]
) -> tuple[tuple[GapTable, ...], tuple[str, ...]]:
    """What there is to say of the metric that orders the lines: gaps between few people, and who hardly moves."""
    main = main_column(lines, columns)
    if main is None:
        return (), ()
    holder = next(run for run in runs.values() if run.summary.metric(columns[main].name))
    still = stillness(lines, columns[main], main, holder.record.metric(columns[main].name))
    return gap_tables(lines, columns, main, runs), still


def _is_baseline(entry: Entry, cards: Cards) -> bool:
    """Whether the method of an entry is a yardstick that is ranked, as what does nothing is."""
    method = entry.record.method
    return method.ranked and cards.method(method.name).yardstick


def _data(entries: Sequence[Entry]) -> list[str]:
    """The data ids of the entries, the commonest first."""
    counts = Counter(entry.record.dataset.data_id or NONE for entry in entries)
    return [f"data id {' and '.join(sorted(counts, key=lambda name: (-counts[name], name == NONE, name)))}"]


def _number(entry: Entry, run: Run, metric: str) -> _EntryNumber | None:
    spec = next((spec for spec in run.record.metrics if spec.name == metric), None)
    result = run.summary.metric(metric)
    return _EntryNumber(entry, run, spec, result) if spec and result else None


def _column(
    numbers: Sequence[_EntryNumber | None], baselines: Sequence[bool], people: str
) -> tuple[BoardColumn, list[BoardCell]]:
    """A metric with its cells; the protocol that most of them share is that of the column, and of the data under it
    those that most of them share.

    Args:
        baselines: of which numbers the system does nothing.
        people: see `people_of`.
    """
    present = [number for number in numbers if number]
    protocol = _commonest(number.protocol for number in present)
    data_id = _commonest(number.data_id for number in present if number.protocol == protocol)
    spec = next(number.spec for number in present if number.protocol == protocol)
    column = BoardColumn(spec.name, spec.direction, spec.unit, spec.name, spec.ranks, protocol=protocol)
    if not spec.ranks:
        column = replace(column, note="not monotone in quality, so nothing is ranked by it")
    most = max(number.share for number in present)
    marks = {id(number): _mark(number, protocol, data_id, most) for number in present}
    ranked = [
        number.run
        for number in present
        if spec.ranks and not marks[id(number)] and number.result.mean is not None
        if number.run.record.method.ranked
    ]
    ranks, bounds = _statistics(present, ranked, people)
    ids = {run.record.run_id for run in ranked}
    cells = [
        _cell(number, marks[id(number)], ranks, bounds[id(number)]) if number else BoardCell() for number in numbers
    ]
    cells = [
        replace(cell, compared=bool(number and number.run.record.run_id in ids))
        for cell, number in zip(cells, numbers, strict=True)
    ]
    return column, compared(cells, column, baselines)


def _statistics(
    numbers: Sequence[_EntryNumber], ranked: Sequence[Run], people: str
) -> tuple[Mapping[str, tuple[int, int]], dict[int, Interval | None]]:
    """The ranks of the runs that are ranked in a metric, and the intervals of its numbers by their ids; as they were
    kept if nothing has changed that they follow from."""
    name, ids = numbers[0].spec.name, [run.record.run_id for run in ranked]
    key = key_of([name, people, ids, [number.facts for number in numbers]])
    if kept := recall(key, len(numbers)):
        return kept[0], {id(number): bounds for number, bounds in zip(numbers, kept[1], strict=True)}
    ranks, intervals_of = rank_intervals(ranked, name) if len(ranked) > 1 else {}, _bounds(numbers)
    keep(key, ranks, [intervals_of[id(number)] for number in numbers])
    return ranks, intervals_of


def _bounds(numbers: Sequence[_EntryNumber]) -> dict[int, Interval | None]:
    """The intervals of the numbers of a metric, by the id of the number."""
    bounds: dict[int, Interval | None] = {}
    for aggregation in {number.spec.aggregation for number in numbers}:
        alike = [number for number in numbers if number.spec.aggregation == aggregation]
        name, run = alike[0].spec.name, alike[0].run
        tables = [valued_of(number.run, name) for number in alike]
        of_numbers = intervals(tables, aggregation, run.cluster, run.ranges.get(name, UNLIMITED))
        bounds |= {id(number): interval for number, interval in zip(alike, of_numbers, strict=True)}
    return bounds


def _commonest(names: Iterable[str]) -> str:
    """The commonest of the names, of several the first in the alphabet; an empty one stands for nothing known."""
    counts = Counter(names)
    return min(counts, key=lambda name: (not name, -counts[name], name))


def _mark(number: _EntryNumber, protocol: str, data_id: str, most: float) -> str:
    """Why the number cannot be ranked in its column; "" if it can."""
    if number.protocol != protocol:
        return OTHER_PROTOCOL
    if number.data_id != data_id:
        return OTHER_DATA
    if number.run.summary.pairs != number.run.record.dataset.pairs:
        return UNFINISHED
    return FEWER_PAIRS if most - number.share > MAX_COVERAGE_GAP + 1e-9 else ""


def _cell(number: _EntryNumber, mark: str, ranks: Mapping[str, tuple[int, int]], bounds: Interval | None) -> BoardCell:
    record, spec, result = number.run.record, number.spec, number.result
    notes = [f"protocol {number.protocol}" if mark == OTHER_PROTOCOL else "", coverage(result, record.dataset.pairs)]
    notes += [f"data id {number.data_id}" if number.data_id else OLDER] if mark == OTHER_DATA else []
    return BoardCell(
        text=format_mean(result, spec),
        value=None if result.mean is None else result.mean * spec.scale,
        interval=format_interval(bounds.low, bounds.high, spec) if bounds else "",
        ends=(bounds.low * spec.scale, bounds.high * spec.scale) if bounds else None,
        ranks=ranks.get(record.run_id),
        marks=mark,
        note="; ".join(filter(None, notes)),
    )


def _clusters(run: Run) -> list[str]:
    """The number of clips, or of people, in the pairs; of sources and of driving clips where these cross."""
    if not run.record.metrics:
        return []
    ways = clusterings(run.pair_rows(), run.cluster)
    texts = [in_words(way.role, len(way.names), "clip" if run.cluster is by_clip else "person") for way in ways]
    few = ", too few for intervals and tests"
    return [" and ".join(texts) + (few if min(counts_of(ways)) < FEWEST else "")]


def _line(entry: Entry, cells: tuple[BoardCell, ...], cards: Cards) -> BoardLine:
    """A line with the facts that the entry states of its method; those that it does not state are from the card."""
    info, record = entry.info, entry.record
    card = cards.method(record.method.name)
    shares = [result.pairs / max(1, record.dataset.pairs) for result in entry.summary.metrics]
    return BoardLine(
        label=info.label,
        cells=cells,
        key=info.name,
        pictures=bool(info.thumbnails),
        method=record.method.name,
        yardstick=not record.method.ranked,
        baseline=_is_baseline(entry, cards),
        numerics=record.method.numerics,
        incomplete=f"{entry.summary.pairs} of {record.dataset.pairs} pairs"
        if entry.summary.pairs != record.dataset.pairs
        else "",
        coverage=min(shares, default=None),
        fps=info.frames_per_second,
        device=info.device or "",
        parameters=info.parameters or card.parameters,
        licence=info.licence or str(card.licence),
        year=info.year or card.year,
        training_data=info.training_data or card.training_data,
        leakage=_leakage(entry, cards),
        paper=info.links.paper or card.paper,
        code=info.links.code or card.code,
        note=info.note,
    )


def _leakage(entry: Entry, cards: Cards) -> bool | None:
    """Whether the weights may have seen the test, as the entry says. Where it says nothing: of weights trained on the
    data set, whether the list is not known to be of its test part; None for all other weights."""
    info, data = entry.info, entry.record.dataset
    if info.leakage is not None:
        return info.leakage
    trained = info.training_data or cards.method(entry.record.method.name).training_data
    tested = cards.dataset(data.name)
    held_out = data.list_sha256 in tested.held_out
    seen = [may_have_seen(cards.dataset(name), tested, held_out) for name in set_names(trained)]
    return None if set(seen) <= {None} else any(seen)
