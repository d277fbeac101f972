"""All cards together, for pages that show everything."""

from __future__ import annotations

from talkbench import datasets, metrics
from talkbench.methods import cards as method_cards
from talkbench.reports.cards import Cards


def all_cards() -> Cards:
    """The cards of everything that talkbench and the installed packages register, and of methods that are only known
    from publications. A faulty card is named in the log and left out."""
    metric_cards = metrics.registry.each(lambda name: metrics.create(name).card())
    return Cards(method_cards.all_cards(), {card.name: card for card in metric_cards.values()}, datasets.cards())
