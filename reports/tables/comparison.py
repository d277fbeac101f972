"""Two runs beside each other on their common pairs, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from talkbench.reports.data_ids import OLDER
from talkbench.reports.numbers import counts, format_value, heading, share
from talkbench.reports.runs import Run
from talkbench.reports.statistics.clusterings import format_counts, in_words
from talkbench.reports.statistics.paired import Paired, PersonDifference
from talkbench.reports.statistics.resampling import FEWEST, LEVEL, RESAMPLES, SEED
from talkbench.reports.tables.table import SYMBOLS, Cell, Line, Notes, Table, TableBlock
from talkbench.results import MetricSpec

COLUMNS = ("difference", "interval (95 %)", "p", "p (Holm)", "pairs/clusters", "coverage")

HOW = (
    f"95 % intervals: of the paired difference, symmetric bootstrap-t ({RESAMPLES} draws, seed {SEED}) over clusters "
    "with all their pairs; a cluster is a person where the data set says who is in a clip, else a clip. Source × "
    "driving clusters, where both recur in other pairs: Student's interval, of the variance over both.",
    "p: two-sided, of the hypothesis that the two runs do not differ: sign-flip test over the clusters, or Student's "
    "test over source × driving clusters; p (Holm): corrected for all metrics of the table.",
)


def labels_of(a: Run, b: Run) -> tuple[str, str]:
    """What the two are called: by their methods, and A and B where these are the same."""
    names = a.record.method.name, b.record.method.name
    return names if names[0] != names[1] else (f"{names[0]} (A)", f"{names[1]} (B)")


def comparison_table(a: Run, b: Run, comparisons: Sequence[Paired]) -> Table:
    """The result of `compare`, a line for each metric; the notes name the pairs that are left out and what differs."""
    names = labels_of(a, b)
    data = a.record.dataset
    ranked = a.record.method.ranked and b.record.method.ranked
    notes = Notes(SYMBOLS)
    lines = tuple(
        line
        for paired in comparisons
        for line in (_line(paired, ranked, notes), *(_person(person, paired.spec) for person in paired.people))
    )
    return Table(
        title=f"{names[0]} and {names[1]} on {data.name}, {data.task}",
        corner="Metric",
        columns=(*names, *COLUMNS),
        blocks=(TableBlock("Pairs with a value in both", lines),),
        notes=notes.listed(),
        remarks=(
            f"Bold: better, with p (Holm) of at most {1 - LEVEL:.2f}; difference: {names[0]} minus {names[1]}.",
            *([f"A is {a.record.run_id}, B is {b.record.run_id}."] if names[0].endswith("(A)") else []),
            *HOW,
            *_too_few(comparisons),
            *_left_out(comparisons, names),
            *([f"Both runs have {OLDER}."] if not data.data_id and not b.record.dataset.data_id else []),
            *(["Not ranked: one of the two is a yardstick that sees the truth."] if not ranked else []),
        ),
    )


def _line(paired: Paired, ranked: bool, notes: Notes) -> Line:
    spec = paired.spec
    better = _better(paired) if ranked and spec.ranks else None
    means = [
        Cell("n/a" if mean is None else format_value(mean, spec), best=better == run)
        for run, mean in (("a", paired.mean_a), ("b", paired.mean_b))
    ]
    texts = [
        "n/a" if paired.difference is None else signed(paired.difference, spec),
        interval_of(paired) or "n/a",
        *("n/a" if p is None else f"{p:.4f}" for p in (paired.p, paired.p_holm)),
        f"{paired.pairs}/{format_counts(paired.counts)}" if paired.counts else str(paired.pairs),
        share(paired.coverage),
    ]
    marks = [notes.mark(f"protocols differ: {'; '.join(paired.departures)}")] if paired.departures else []
    if spec.aggregation == "set":
        marks.append(notes.mark("takes whole sets, so that there are no pairs to resample"))
    return Line(
        heading(spec.name, spec.unit, spec.direction), (*means, *(Cell(text) for text in texts)), marks=tuple(marks)
    )


def _person(person: PersonDifference, spec: MetricSpec) -> Line:
    """What stands below a metric in place of an interval: the difference for one person."""
    kind, label = (" ".join(filter(None, [person.role, noun, person.name])) for noun in ("person", ""))
    means = (format_value(mean, spec) for mean in (person.mean_a, person.mean_b))
    texts = (*means, signed(person.difference, spec), "", "", "", str(person.pairs), "")
    return Line(label, tuple(map(Cell, texts)), kind=kind, indent=1)


def _better(paired: Paired) -> str | None:
    if paired.difference is None or paired.p_holm is None or paired.p_holm > 1 - LEVEL:
        return None
    return "a" if (paired.difference > 0) == (paired.spec.direction == "higher") else "b"


def signed(value: float, spec: MetricSpec) -> str:
    """A difference, scaled, with its sign and one digit more than the metric's."""
    return f"{value * spec.scale:+z.{spec.decimals + 1}f}".replace("-", "−")


def interval_of(paired: Paired) -> str:
    """``[−0.0031, −0.0010]``, empty if there is none."""
    if paired.low is None or paired.high is None:
        return ""
    return f"[{signed(paired.low, paired.spec)}, {signed(paired.high, paired.spec)}]"


def _too_few(comparisons: Sequence[Paired]) -> list[str]:
    """Remarks on what a comparison of few clusters cannot show."""
    few = [paired for paired in comparisons if 0 < paired.clusters <= FEWEST]
    shown = f"an interval needs at least {FEWEST}; the difference for each person stands below its metric."
    remarks: dict[tuple[tuple[int, ...], str], str] = {}
    for paired in sorted(few, key=lambda paired: paired.counts):
        count = paired.clusters
        if len(paired.counts) == 1:
            role = paired.people[0].role if paired.people else ""
            clusters = " ".join(filter(None, [str(count), role, "cluster" if count == 1 else "clusters"]))
            text = f"{clusters}: p is at least {2.0 ** (1 - count):g}, whatever the difference"
            remarks[paired.counts, role] = f"{text}." if count == FEWEST else f"{text}; {shown}"
        elif count < FEWEST:
            people = map(in_words, ("source", "driving"), paired.counts)
            remarks[paired.counts, ""] = f"{' and '.join(people)}: too few for a test, and {shown}"
    return list(remarks.values())


def _left_out(comparisons: Sequence[Paired], names: Sequence[str]) -> list[str]:
    """Remarks on pairs that are in both runs and not in the comparison; metrics with the same remark share one."""
    texts: dict[str, list[str]] = {}
    for paired in comparisons:
        parts = [
            f"{counts(reasons)} in {name}"
            for name, reasons in zip(names, (paired.left_out_a, paired.left_out_b), strict=True)
            if reasons
        ]
        if parts:
            texts.setdefault("; ".join(parts), []).append(paired.metric)
    return [f"Pairs left out of {', '.join(metrics)}: {text}." for text, metrics in texts.items()]
