"""What is known about a method beside its code: its card, and where its weights are."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.paths import home
from talkbench.methods import registry

DEMO = "-demo"  # ends the names of ablations at demo size


@dataclass(frozen=True)
class Weights:
    """Which method to build from which file; `origin` says in words where they come from, `note` what the
    user should be told first (empty if nothing is unusual)."""

    method: str
    path: Path | None
    origin: str
    note: str = ""


def card(name: str) -> dict[str, Any]:
    """The card of a method: ``card.yaml`` beside its class, or the class's first line as `short`; for one that
    is not registered, its entry in `published_only`."""
    if name in published_only():
        return published_only()[name]
    factory = registry.get(name)
    owner = factory.func if isinstance(factory, partial) else factory
    path = Path(inspect.getfile(owner)).parent / "card.yaml"
    if not path.is_file():
        return {"title": name, "short": (inspect.getdoc(owner) or "").split("\n")[0].rstrip(".")}
    return _read(path)


@cache
def _read(path: Path) -> dict[str, Any]:
    import yaml

    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@cache
def published_only() -> dict[str, dict[str, Any]]:
    """The cards of methods without public code, by name: published numbers are all there is of them.

    A name that a plugin has registered is not among them.
    """
    import yaml

    known: dict[str, dict[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("published_only.yaml").read_text(encoding="utf-8")
    )
    return {name: content for name, content in known.items() if name not in registry.names()}


def full_name(name: str) -> str:
    """`name` with its variant: a bare name means the one that the card calls the default, and another name of an entry
    the entry's own."""
    name = registry.resolve(name)
    return name if "@" in name else str(card(name).get("default", name))


def demo_name(name: str) -> str:
    """The name of the same method at demo size, for 128×128 images: ``mcnet`` → ``mcnet@demo``, ``mcnet@pe10`` →
    ``mcnet@pe10-demo``, ``fomm@vox-256`` → ``fomm@demo``.

    Raises:
        TalkbenchError: the method has no such size.
    """
    full = full_name(name)
    bare, _, variant = full.partition("@")
    if f"-{variant}".endswith(DEMO):
        return full
    small = f"{bare}@demo" if full == full_name(bare) else f"{full}{DEMO}"
    try:
        registry.get(small)
    except TalkbenchError as error:
        raise TalkbenchError(f"{full} has no demo size ({error})") from error
    return small


def known_names() -> list[str]:
    """The full names of all methods whose cards can be read: a broken plugin must not hide the others."""
    names: dict[str, None] = {}
    for name in registry.names():
        try:
            names[full_name(name)] = None
        except TalkbenchError:
            continue
    return list(names)


def describe(name: str) -> str:
    """What a method is, in one line: its variant's entry in the card, or the card's `short`."""
    known = card(name)
    variants = known.get("variants", {})
    if name not in variants and name.removesuffix(DEMO) in variants:
        return f"{variants[name.removesuffix(DEMO)]}; in proportion at demo size (128x128 images)"
    return str(variants.get(name, known["short"]))


def training_data(name: str) -> str:
    """The data set that the published weights of a method were trained on; "" if the card does not say."""
    said = card(name).get("training_data", "")
    return str(said.get(full_name(name), "") if isinstance(said, dict) else said)


def store(name: str) -> Path:
    """The folder of the weights of a method and all its variants."""
    return home() / "weights" / full_name(name).split("@")[0]


def own_file(name: str) -> str:
    """How weights in our own format are called there, ``<variant>.safetensors``."""
    return f"{full_name(name).split('@')[-1]}.safetensors"


def find_weights(name: str, checkpoint: str | Path | None = None) -> Weights:
    """Decide which weights a run of `name` uses.

    In this order: the `checkpoint` that the user names; what lies in the method's `store`, the official file
    before one of ours; weights that ship with talkbench, beside the card; the card's fallback variant. Methods
    without a card's entry for weights, such as ``copy-source``, need none.

    Raises:
        TalkbenchError: unknown method or one without code, or weights that are needed and not there; says which
            file is missing, where it is published and where to put it.
    """
    registry.get(name)  # refuses what is unknown or has no code
    known, full = card(name), full_name(name)
    if checkpoint is not None:
        return Weights(full, Path(checkpoint), f"checkpoint {Path(checkpoint).name}, given on the command line")
    if "weights" not in known:
        return Weights(full, None, "needs no weights")
    found = _stored(full, known)
    if found:
        return found
    entry = known["weights"].get(full, {})
    if "file" not in entry:
        raise TalkbenchError(
            f"no weights of {full} are published; train them with bench train, then name the file with --checkpoint"
        )
    wanted = f"{entry['file']} ({entry['source']}) is not in {store(full)}"
    fallback = known.get("fallback")
    stored = _stored(fallback, known) if fallback else None
    if stored is None:
        raise TalkbenchError(f"{full}: {wanted}; put it there (bench weights add FILE) or name it with --checkpoint")
    note = f"no official checkpoint of {full}, {wanted}; using the small {fallback} instead"
    return Weights(stored.method, stored.path, stored.origin, note)


def _stored(full: str, known: dict[str, Any]) -> Weights | None:
    entry = known["weights"].get(full, {})
    if "file" in entry:
        for folder in (store(full), Path(__file__).parent / full.split("@")[0]):
            if (folder / entry["file"]).is_file():
                return Weights(full, folder / entry["file"], entry["source"])
    ours = store(full) / own_file(full)
    return Weights(full, ours, "added by hand") if ours.is_file() else None
