"""What `bench show` knows, as data for its ``--json``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def documented(kind: str, name: str) -> dict[str, object]:
    """The card of a thing, of a method its published numbers too.

    Raises:
        TalkbenchError: there is no such thing.
    """
    card = CARDS[kind](name)
    if kind != "method":
        return {"card": card}
    from talkbench.methods.cards import card as card_of
    from talkbench.results.published import cells

    key = card_of(name).published
    return {"card": card, "published": [cell for cell in cells() if key and cell.system_key == key and cell.value]}


def documented_run(folder: Path) -> dict[str, object]:
    """What the files of a run hold, and how far models agree that measure one thing.

    Raises:
        TalkbenchError: files of the run are damaged.
    """
    from talkbench.reports.runs import Run
    from talkbench.reports.statistics.agreement import agreements
    from talkbench.results import RunStore

    run = Run.load(RunStore(folder))
    agree = agreements(run.record.metrics, run.pair_rows())
    return {"folder": folder, "record": run.record, "summary": run.summary, "agreement": agree}


def _method(name: str) -> object:
    from talkbench.methods import cards

    return cards.card(name)


def _metric(name: str) -> object:
    from talkbench import metrics

    return metrics.create(name).card()


def _extractor(name: str) -> object:
    from talkbench import metrics

    return metrics.create_extractor(name).card()


def _dataset(name: str) -> object:
    from talkbench import datasets

    return datasets.create(name).card


def _protocol(name: str) -> object:
    from talkbench.benchmark.evaluation.protocol import load

    return load(name)


def _table(name: str) -> object:
    from talkbench.reports.tables.layout import load_layout

    return load_layout(name)


def _recipe(name: str) -> object:
    from talkbench.training.config import load_config

    return load_config(name)


def _program(name: str) -> object:
    from talkbench.benchmark.programs.card import ProgramCard
    from talkbench.benchmark.programs.names import card_path
    from talkbench.core.cards import read_card

    return read_card(ProgramCard, card_path(name))


CARDS: dict[str, Callable[[str], object]] = {
    "method": _method,
    "metric": _metric,
    "extractor": _extractor,
    "dataset": _dataset,
    "protocol": _protocol,
    "table": _table,
    "recipe": _recipe,
    "program": _program,
}
"""What gives the card of a thing of each kind by its name."""
