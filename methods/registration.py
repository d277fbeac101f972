"""Where methods register, and how one is built by its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.cards import FamilyCard, parse_card, read_card
from talkbench.core.registry import Declaration, Registry

if TYPE_CHECKING:
    from talkbench.methods.interface import Method


DEMO = "-demo"  # ends the names of ablations at demo size


@cache
def families() -> dict[str, FamilyCard]:
    """The cards of the methods of the tree, by their folders."""
    cards = sorted(Path(__file__).parent.glob("*/card.yaml"))
    return {path.parent.name: read_card(FamilyCard, path) for path in cards}


@cache
def declared_families() -> dict[str, FamilyCard]:
    """By the name of each method of the tree the card that declares it."""
    return {name: card for card in families().values() for name in _declarations(card, "")}


def _declared() -> dict[str, Declaration]:
    """What the cards of the tree declare, by name. ``fomm@memory`` is of the folder ``fomm`` whatever card has it."""
    declared: dict[str, Declaration] = {}
    for folder, card in families().items():
        declared |= _declarations(card, folder)
    return declared


def _declarations(card: FamilyCard, folder: str) -> dict[str, Declaration]:
    def declaration(name: str, of: str = "", listed: bool = True) -> Declaration:
        owner = (of or name).partition("@")[0]
        return Declaration(f"{__package__}.{owner if owner in families() else folder}", of, listed)

    declared = {name: declaration(name, own.of, own.listed) for name, own in card.configurations.items()}
    for name, own in card.ablations.items():
        small = card.configurations.get(own.of, own).demo
        small = small or (own.of and own.of + (DEMO if "@" in own.of else "@demo"))
        declared[f"{name}{DEMO}"] = declaration(f"{name}{DEMO}", small, listed=False)
    if card.default:
        bare = card.default.partition("@")[0]
        declared.setdefault(bare, declaration(bare))
    return declared


@cache
def without_code() -> dict[str, FamilyCard]:
    """The cards of methods whose code is not public, by name."""
    import yaml

    path = Path(__file__).with_name("published_only.yaml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: parse_card(FamilyCard, card, f"{path}, {name}") for name, card in content.items()}


def _explain(name: str) -> str:
    if name not in without_code():
        return ""
    return (
        f"{name} cannot be run, since none of its code is public; its published rows are in bench tables. "
        f"Frames made elsewhere are scored with bench run --frames DIR --name {name}"
    )


registry: Registry[Method[Any, Any]] = Registry("method", explain=_explain, declared=_declared)


def create(name: str, weights: str | Path | None = None, **options: object) -> Method[Any, Any]:
    """Build a method by name.

    Args:
        name: ``mcnet``, ``mcnet@demo``, ``copy-source``, …; see ``bench list methods``.
        weights: checkpoint file to load; None leaves the bare architecture.
        options: choices of the method, such as ``noise="random"`` for MCNet.

    Raises:
        TalkbenchError: unknown name, or a checkpoint that is missing, unsafe or does not fit.
    """
    return registry.create(name, weights=weights, **options)


def count_parameters(name: str) -> int | None:
    """The parameters of all networks of a method together; None if it has none.

    Raises:
        TalkbenchError: it is not known here.
    """
    networks = create(name).networks.values()  # cheaper than on the device meta, which loads the compiler
    return sum(weight.numel() for network in networks for weight in network.parameters()) or None


def class_of(name: str) -> Callable[..., Method[Any, Any]]:
    """The class of a method, with no variant bound; or whatever else a plugin builds it with.

    Raises:
        TalkbenchError: unknown name.
    """
    factory = registry.get(name)
    return factory.func if isinstance(factory, partial) else factory
