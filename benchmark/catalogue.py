"""What the leaderboard's pages say beside the numbers: the cards of methods, metrics and data sets as its catalogue."""

from __future__ import annotations

from typing import Any

from talkbench import datasets, metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_file
from talkbench.datasets.dataset import Dataset
from talkbench.datasets.external import ExternalDataset
from talkbench.methods import cards, registry
from talkbench.metrics import Metric
from talkbench.reports.leaderboard.catalogue import Catalogue, DatasetCard, MethodCard, MetricCard
from talkbench.reports.leaderboard.metric_notes import family_notes

YARDSTICKS = "talkbench.methods.baselines"
"""The module of the methods that are no competitors."""


def catalogue() -> Catalogue:
    """All that is registered here, other people's packages included; a broken one is left out."""
    methods = [method_card(name) for name in [*cards.known_names(), *cards.published_only()]]
    known = [metric_card(metric) for name in metrics.registry.names() if (metric := _created(metrics, name))]
    sets = [dataset_card(data) for name in datasets.registry.names() if (data := _created(datasets, name))]
    return Catalogue(
        methods={card.name: card for card in methods},
        metrics={card.name: card for card in known},
        datasets={card.name: card for card in sets},
    )


def _created(package: Any, name: str) -> Any:
    """What is registered as `name`; None of a plugin that cannot be built."""
    try:
        return package.create(name)
    except TalkbenchError:
        return None


def method_card(name: str) -> MethodCard:
    """The card of a method by its full name. What a card says of the default variant, such as the number of parameters,
    is not said of the others."""
    known = cards.card(name)
    default = known.get("default", name) == name
    own = known.get("weights", {}).get(name, {})
    licences = {**known.get("licence", {}), **({"weights": own["licence"]} if "licence" in own else {})}
    return MethodCard(
        name=name,
        title=known.get("title", ""),
        short=known["short"] if default else cards.describe(name),
        authors=known.get("authors", ""),
        venue=known.get("venue", ""),
        year=known.get("year"),
        paper=known.get("paper", ""),
        code=known.get("repository", known.get("code", "")),
        official=known.get("official", True),
        licences=tuple((part, str(text)) for part, text in licences.items()),
        training_data=tuple(filter(None, [cards.training_data(name)])),
        parameters=known.get("parameters") if default else None,
        resolution=known.get("resolution") if default else None,
        published=known.get("published", "") if default else "",
        weights=str(own["source"]) if "file" in own else "",
        yardstick=_yardstick(name),
        variants=tuple(known.get("variants", {}).items()) if default else (),
        notes=tuple(str(note) for note in known.get("notes", ())),
    )


def _yardstick(name: str) -> bool:
    if name in cards.published_only():
        return False
    factory = registry.get(name)
    return getattr(factory, "__module__", "") == YARDSTICKS or not getattr(factory, "ranked", True)


def metric_card(metric: Metric[Any]) -> MetricCard:
    """The card of a metric, with what is known of its family."""
    card = metric.card()
    return MetricCard(
        name=card.name,
        short=card.short,
        about=card.about,
        definition=card.definition,
        direction=card.direction,
        unit=card.unit,
        range=card.printed_range,
        decimals=card.decimals,
        needs_truth=card.needs_truth,
        ranks=card.ranks,
        target=card.target,
        extractor=card.extractor or "",
        aggregation=card.aggregation,
        version=card.version,
        faults=family_notes(card.family).faults,
    )


def dataset_card(data: Dataset) -> DatasetCard:
    """The card of a data set, with the lists whose clips nobody trains on who keeps to its parts."""
    return DatasetCard(
        name=data.name,
        title=data.card.title or data.name,
        short=data.card.short,
        source=data.card.source,
        licence=data.card.licence,
        resolution=data.card.resolution,
        tasks=data.tasks,
        held_out=frozenset(_held_out(data)),
        notes=data.card.quirks,
    )


def _held_out(data: Dataset) -> list[str]:
    if isinstance(data, ExternalDataset):
        return [entry.sha256 for entry in data.lists.values() if entry.held_out and entry.sha256]
    lists = [data.folder / task.list for task in data.card.tasks.values() if task.list]
    return [sha256_file(path) for path in lists if path.is_file()]
