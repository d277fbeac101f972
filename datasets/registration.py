"""The registry of data sets, in a module of its own, so that they can look each other up without import circles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry

if TYPE_CHECKING:
    from talkbench.datasets.dataset import Dataset

registry: Registry[Dataset] = Registry("dataset", "talkbench.datasets.sets")


def create(name: str, root: Path | str | None = None) -> Dataset:
    """The data set `name`; `root` is the folder of its clips (None: its folder in the cache).

    Raises:
        TalkbenchError: the name is unknown (the nearest names are offered), or the data set is broken: its card is
            missing or faulty, or has another name than the one it is registered under.
    """
    data = registry.create(name, root=root)
    registered = registry.resolve(name)
    if data.name != registered:
        raise TalkbenchError(
            f"the data set registered as {registered!r} calls itself {data.name!r} (its card: {data.card_path}); "
            "give both one name"
        )
    return data


def card(name: str) -> DatasetCard:
    """The card of a data set; of a name that is not registered, one that says nothing."""
    return create(name).card if name in registry.names() else DatasetCard(name=name)


def cards() -> dict[str, DatasetCard]:
    """The cards of all data sets by name; one that is broken is named once, in the log ``talkbench``, and left out."""
    return registry.each(lambda name: create(name).card)
