"""All cards together, for pages that show everything."""

from __future__ import annotations

from talkbench import datasets, metrics
from talkbench.core.cards import Cards
from talkbench.methods import cards as method_cards


def all_cards() -> Cards:
    """The cards of all that is registered here, other people's packages included, and of the methods that are only
    published; one that is faulty is named in the log and left out."""
    metric_cards = metrics.registry.each(lambda name: metrics.create(name).card())
    return Cards(method_cards.all_cards(), {card.name: card for card in metric_cards.values()}, datasets.cards())
