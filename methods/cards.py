"""What is known about a method beside its code: its card, and where its weights are."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home
from talkbench.methods import registry


@dataclass(frozen=True)
class Weights:
    """Which method to build from which file; `origin` says in words where they come from, `note` what the
    user should be told first (empty if nothing is unusual)."""

    method: str
    path: Path | None
    origin: str
    note: str = ""


def card(name: str) -> dict[str, Any]:
    """The card of a registered method: ``card.yaml`` beside its class, or the class's first line as `short`."""
    factory = registry.get(name)
    owner = factory.func if isinstance(factory, partial) else factory
    path = Path(inspect.getfile(owner)).parent / "card.yaml"
    if not path.is_file():
        return {"title": name, "short": (inspect.getdoc(owner) or "").split("\n")[0].rstrip(".")}
    import yaml

    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def describe(name: str) -> str:
    """What a method is, in one line: its variant's entry in the card, or the card's `short`."""
    known = card(name)
    return str(known.get("variants", {}).get(name, known["short"]))


def find_weights(name: str, checkpoint: str | Path | None = None) -> Weights:
    """Decide which weights a run of `name` uses.

    In this order: the `checkpoint` that the user names; the file that the method's card lists, in the cache
    folder ``weights/<method>/`` or, for weights that ship with talkbench, beside the card; the card's
    fallback variant. Methods without a card's entry for weights, such as ``copy-source``, need none.

    Raises:
        TalkbenchError: unknown method, or weights that are needed and not there; says which file is
            missing, where it is published and where to put it.
    """
    known = card(name)
    if checkpoint is not None:
        return Weights(name, Path(checkpoint), f"checkpoint {Path(checkpoint).name}, given on the command line")
    if "weights" not in known:
        return Weights(name, None, "needs no weights")
    found = _stored(name, known)
    if found:
        return found
    entry = known["weights"].get(name)
    bare = name.split("@")[0]
    if entry is None:
        raise TalkbenchError(
            f"no weights of {name} are published; train them with bench train, then name the file with --checkpoint"
        )
    wanted = f"{entry['file']} ({entry['source']}) is not in {home() / 'weights' / bare}"
    fallback = known.get("fallback")
    stored = _stored(fallback, known) if fallback else None
    if stored is None:
        raise TalkbenchError(f"{name}: {wanted}; put it there or name it with --checkpoint")
    note = f"no official checkpoint of {name}, {wanted}; using the small {fallback} instead"
    return Weights(stored.method, stored.path, stored.origin, note)


def _stored(name: str, known: dict[str, Any]) -> Weights | None:
    entry = known["weights"].get(name)
    if entry is None:
        return None
    bare = name.split("@")[0]
    beside = Path(__file__).parent / bare / entry["file"]
    for path in (home() / "weights" / bare / entry["file"], beside):
        if path.is_file():
            return Weights(name, path, entry["source"])
    return None
