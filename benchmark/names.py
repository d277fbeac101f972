"""Everything that has a name, by kind: what `bench list` lists and `bench show` shows.

Names come from cards, files and entry points; no model is imported for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import Registry, nearest, own_case


def _methods() -> list[str]:
    from talkbench.methods.cards import published_only
    from talkbench.methods.registration import registry

    return [*registry.names(), *published_only()]


def _metrics() -> list[str]:
    from talkbench import metrics

    return metrics.registry.names()


def _extractors() -> list[str]:
    from talkbench.metrics import extractors

    return extractors.registry.names()


def _datasets() -> list[str]:
    from talkbench import datasets

    return datasets.registry.names()


def _protocols() -> list[str]:
    from talkbench.benchmark.evaluation import protocol

    return protocol.names()


def _tables() -> list[str]:
    from talkbench.reports.tables import layout

    return list(layout.names())


def _recipes() -> list[str]:
    from talkbench.training.recipe_files import recipe_names

    return recipe_names()


def _programs() -> list[str]:
    from talkbench.benchmark.programs.names import names

    return names()


ABLATIONS = {"table2": "2", "table-s1": "s1", "table-s2": "s2", "table-s7": "s7"}
"""The tables whose rows can all be trained, by the names that ``--ablation`` takes: the names of their layouts."""

NAMES: dict[str, Callable[[], list[str]]] = {
    "method": _methods,
    "metric": _metrics,
    "extractor": _extractors,
    "dataset": _datasets,
    "protocol": _protocols,
    "table": _tables,
    "recipe": _recipes,
    "program": _programs,
}
"""The names of each kind."""

KINDS = {
    "method": "what bench run takes as --method",
    "metric": "what bench run takes as --metrics",
    "extractor": "the models whose features metrics compare",
    "dataset": "what bench run takes as --dataset",
    "protocol": "what bench run takes as --protocol",
    "table": "the papers' tables, which bench tables takes as --table",
    "recipe": "what bench train takes as --config",
    "program": "other people's programs, what bench run takes as --program",
}
"""What each kind is, in words."""


def kind(word: str) -> str:
    """The kind that a word stands for, in the singular or the plural.

    Raises:
        TalkbenchError: it is none; says which there are.
    """
    plurals = {name: f"{name}s" for name in KINDS}
    singular = {form.casefold(): name for name, plural in plurals.items() for form in (name, plural)}
    if word.casefold() not in singular:
        raise TalkbenchError(f"there is no kind {word!r} of things; choose one of {', '.join(plurals.values())}")
    return singular[word.casefold()]


def kinds_of(name: str) -> list[str]:
    """The kinds of which there is a thing of that name; of a method or metric also an unlisted or unknown variant.

    Raises:
        TalkbenchError: there is none; the nearest of all names is offered.
    """
    kinds = [kind for kind in KINDS if _is_one(kind, name)]
    if not kinds:
        names: Iterable[str] = (known for names in NAMES.values() for known in names())
        raise TalkbenchError(f"there is nothing called {name!r}: {nearest(name, names)}")
    return kinds


def _is_one(kind: str, name: str) -> bool:
    from talkbench.training.recipe_files import is_recipe

    if kind == "recipe":
        return is_recipe(name)
    registry = _registry(kind)
    if registry and any(known in registry for known in (name, name.partition("@")[0])):
        return True
    names = NAMES[kind]()
    return own_case(name, names) in names or (kind == "protocol" and name.endswith((".yaml", ".yml")))


def _registry(kind: str) -> Registry[object] | None:
    """The registry of a kind whose things may have variants."""
    from talkbench import metrics
    from talkbench.methods.registration import registry

    return {"method": registry, "metric": metrics.registry}.get(kind)  # type: ignore[return-value]
