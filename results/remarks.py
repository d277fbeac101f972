"""What a reviewer should look at in an entry that is sound."""

from __future__ import annotations

from collections.abc import Iterator

from talkbench.results.checks.plausibility import Expected
from talkbench.results.entries import Entry
from talkbench.results.record import RunRecord

FEW_PAIRS = 50
"""Pairs below which a mean says little, where the length of the whole list is not known."""

FEW_CLIPS = 5
"""Driving clips below which a mean has no interval."""

SIZES = 3
"""Stored sizes that are named."""

NOTABLE = 0.05
"""Share of lost pairs from which it is said."""


def remarks(entry: Entry, expected: Expected) -> list[str]:
    """What a reviewer should look at, a few words each; empty: nothing."""
    record = entry.record
    return [
        *_coverage(entry, expected),
        *_lost(entry),
        *_provenance(entry),
        *_making(record, expected),
        *_metrics(record, expected),
        *expected.remarks,
    ]


def _coverage(entry: Entry, expected: Expected) -> Iterator[str]:
    record, count = entry.record, entry.record.dataset.pairs
    if expected.pairs is not None and count < expected.pairs:
        yield f"{count} of {expected.pairs} pairs"
    elif count < FEW_PAIRS:
        yield f"only {count} pairs"
    clips = entry.rows()["driving_clip"].nunique()
    if clips < FEW_CLIPS:
        yield f"only {clips} driving clip{'s' if clips != 1 else ''}"
    if record.dataset.pairs_file != "built-in":
        yield f"a pair list of its own, {record.dataset.pairs_file}"
    computed = {spec.name for spec in record.metrics}.intersection(expected.protocol)
    if record.protocol is None:
        yield "no protocol"
    elif len(computed) < len(expected.protocol):
        lacking = len(set(expected.protocol).intersection(metric.name for metric in record.unavailable))
        why = f" ({lacking} could not be computed)" if lacking else ""
        yield f"{len(computed)} of {len(expected.protocol)} metrics of {record.protocol.name}{why}"


def _lost(entry: Entry) -> Iterator[str]:
    """Shares of pairs that are in no mean."""
    for result in entry.summary.metrics:
        failed = sum(count for reason, count in result.failures.items() if not reason.startswith(("no-", "start-of")))
        if result.mean is None:
            yield f"no value of {result.metric}"
        if result.missing_generated >= NOTABLE:
            yield f"{result.metric}: {result.missing_generated:.0%} of the generated frames show no face or body"
        unseen = sum(count for reason, count in result.failures.items() if reason.endswith("-target"))
        if unseen >= NOTABLE * entry.summary.pairs > 0:
            yield f"{result.metric}: {unseen / entry.summary.pairs:.0%} of the real frames show no face or body"
        if failed >= NOTABLE * entry.summary.pairs > 0:
            yield f"{result.metric}: {failed} pairs failed"


def _provenance(entry: Entry) -> Iterator[str]:
    """What the entry says, or does not say, of its method."""
    info, method = entry.info, entry.record.method
    learnt = method.checkpoint is not None or method.frames is not None
    if learnt and not info.training_data:
        yield "training data not stated"
    if info.leakage:
        yield "the weights may have seen these people or clips"
    if learnt and not info.licence:
        yield "licence not stated"
    family, label = _letters(method.name.split("@", 1)[0]), _letters(info.label)
    if not (label.startswith(family) or (label and family.startswith(label))):
        yield f"label {info.label!r} differs from the method {method.name!r}"
    if not info.thumbnails:
        yield "no thumbnails"
    if not method.ranked:
        yield "a yardstick, not ranked"
    if method.frames:
        whose = "its own" if method.frames.program else "another"
        yield f"frames of {whose} program ({', '.join(sorted(method.frames.kinds))})"


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _making(record: RunRecord, expected: Expected) -> Iterator[str]:
    """How the run was made."""
    data = record.dataset
    if record.git and record.git.dirty:
        yield "made with changes to talkbench that are not committed"
    if record.precision != "float32":
        yield f"computed in {record.precision}"
    if expected.image_size not in (None, data.image_size):
        yield f"images of {data.image_size} pixels where the protocol says {expected.image_size}"
    if data.resized:
        sizes = ", ".join(data.resized[:SIZES]) + (", …" if len(data.resized) > SIZES else "")
        yield f"frames of {sizes} resized to {data.image_size}x{data.image_size}"
    if not (data.stored_size or data.stored_sizes):
        yield "size of the stored frames not recorded"
    if not data.data_id:
        yield "no data id, so nothing says which frames these were"
    if record.jpeg_quality:
        yield f"all images through JPEG of quality {record.jpeg_quality}"


def _metrics(record: RunRecord, expected: Expected) -> Iterator[str]:
    """Metrics that cannot be checked here, or that must not order systems."""
    unknown = [spec.name for spec in record.metrics if spec.name not in expected.cards]
    if unknown:
        yield f"not known here, so not checked: {', '.join(unknown)}"
    unranked = [spec.name for spec in record.metrics if not spec.ranks]
    if unranked:
        yield f"metrics that do not rank: {', '.join(unranked)}"
    for spec in record.metrics:
        card = expected.cards.get(spec.name)
        if card and spec.version != card.version:
            yield f"{spec.name} in version {spec.version}, {card.version} here"
