"""All cards together, for pages that show everything."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from talkbench import datasets, metrics
from talkbench.core.cards import Cards, DatasetCard, MethodCard, MetricCard, parse_card
from talkbench.core.errors import TalkbenchError
from talkbench.methods import cards as method_cards

C = TypeVar("C", MethodCard, MetricCard, DatasetCard)
LOG = logging.getLogger("talkbench")


def all_cards() -> Cards:
    """The cards of all that is registered here, other people's packages included, and of the methods that are only
    published; one that is faulty is named in the log and left out."""
    return Cards(
        _cards([*method_cards.known_names(), *method_cards.published_only()], method_cards.card),
        _cards(metrics.registry.importable(), metric_card),
        _cards(datasets.registry.importable(), dataset_card),
    )


def _cards(names: Iterable[str], card: Callable[[str], C]) -> dict[str, C]:
    """By the name that a card bears."""
    cards = []
    for name in names:
        try:
            cards.append(card(name))
        except TalkbenchError as error:
            LOG.warning("%s is left out: %s", name, error)
    return {card.name: card for card in cards}


def metric_card(name: str) -> MetricCard:
    """The card of a metric: its attributes and its docstring, without its references."""
    metric = metrics.create(name)
    text = re.sub(r"\s*\(docs/specs/[^)]*\)|`", "", inspect.getdoc(type(metric)) or metric.name)
    about, *definition = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return MetricCard(
        name=metric.variant,
        short=metric.name,
        about=about,
        definition=tuple(definition),
        version=metric.version,
        direction=metric.direction,
        unit=metric.unit,
        range=metric.range,
        decimals=metric.decimals,
        scale=metric.scale,
        needs_truth=metric.needs_truth,
        target=metric.target,
        ranks=metric.ranks,
        extractor=metric.extractor,
        aggregation=metric.aggregation,
    )


def dataset_card(name: str) -> DatasetCard:
    """The card of a data set."""
    data = datasets.create(name)
    return parse_card(DatasetCard, {**data.card, "name": name}, str(data.card_path))
