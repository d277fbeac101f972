"""What is known here of the metrics, the protocol and the pairs that a record names, for the checks of entries."""

from __future__ import annotations

from collections.abc import Callable

from talkbench import datasets, metrics
from talkbench.benchmark.evaluation import protocol as protocols
from talkbench.benchmark.evaluation.scorer import target_of
from talkbench.core.cards import MetricCard
from talkbench.core.errors import TalkbenchError
from talkbench.datasets.pairs import read_text
from talkbench.metrics.interface import Metric
from talkbench.results.checks.plausibility import Expected, anything
from talkbench.results.record import DatasetInfo, RunRecord


def expected_of(record: RunRecord) -> Expected:
    """What is expected of `record`. What is not registered here, such as a plugin's metric, is left out."""
    known = {spec.name: metric for spec in record.metrics if (metric := _metric(spec.name))}
    cards = {name: metric.card() for name, metric in known.items()}
    truth = datasets.has_truth(record.dataset.task)
    protocol = _protocol(record)
    remarks = []
    if record.protocol and protocol is None:
        remarks.append(f"the protocol {record.protocol.name} is not known here")
    elif record.protocol and protocol and record.protocol.sha256 != protocol.sha256:
        remarks.append(f"the protocol {record.protocol.name} is another one here")
    return Expected(
        cards=cards,
        targets={name: target_of(card, truth) for name, card in cards.items()},
        weighted=frozenset(name for name, metric in known.items() if type(metric).weigh is not Metric.weigh),
        protocol=_asked(protocol, record.dataset.task) if protocol else (),
        pairs=_whole_list(record.dataset),
        image_size=protocol.image_size.value if protocol else None,
        may_show=_may_show(record.dataset.name),
        remarks=tuple(remarks),
    )


def _metric(name: str) -> Metric | None:
    """The metric that is registered under its full id `name`; None if there is none."""
    try:
        metric = metrics.create(name)
    except TalkbenchError:
        return None
    return metric if metric.variant == name else None


def _protocol(record: RunRecord) -> protocols.Protocol | None:
    """The protocol of the record among those that ship with talkbench; a file that a record names is never opened."""
    name = record.protocol.name if record.protocol else ""
    return protocols.load(name) if name in protocols.names() else None


def _asked(protocol: protocols.Protocol, task: str) -> tuple[str, ...]:
    """The metrics of a protocol that make sense for a task, by their full ids."""

    def fits(card: MetricCard) -> bool:
        return (datasets.has_truth(task) or not card.needs_truth) and (task == "reconstruction" or not card.history)

    cards = (metrics.create(metric.name).card() for metric in protocol.metrics)
    return tuple(card.name for card in cards if fits(card))


def _may_show(dataset: str) -> Callable[[str], bool]:
    """Tells of a clip of a data set whether pictures of it may be published."""
    try:
        return datasets.create(dataset).card.may_show
    except TalkbenchError:
        return anything


def _whole_list(data: DatasetInfo) -> int | None:
    """How many pairs the list that a run's pairs are from has as a whole; None where no card says so."""
    try:
        dataset = datasets.create(data.name)
        task = dataset.card.tasks.get(data.task)
        lists = dataset.card.lists
        named = next((card for card in lists.values() if card.sha256 and card.sha256 == data.list_sha256), None)
        if named is not None:
            return named.rows
        if task is None or data.pairs_file != "built-in":
            return None
        if task.list in lists:
            return lists[task.list].rows
        return read_text(dataset.folder / task.list).count("\n") - 1 if task.list else None
    except TalkbenchError:
        return None
