"""What is known about a method beside its code: its card, and where its weights are."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from talkbench.core.cards import FamilyCard, MethodCard, VariantCard, read_card
from talkbench.core.errors import TalkbenchError
from talkbench.core.model_files import noted
from talkbench.core.paths import home
from talkbench.core.text import few
from talkbench.methods.registration import DEMO, class_of, declared_families, registry, without_code


@dataclass(frozen=True)
class Weights:
    """Which method to build from which file; `origin` says in words where they come from, `note` what the
    user should be told first (empty if nothing is unusual)."""

    method: str
    path: Path | None
    origin: str
    note: str = ""


def family(name: str) -> FamilyCard:
    """What holds for all configurations of a method: the ``card.yaml`` beside its class; of a class without one, the
    first line of its docstring; of a method that is not registered, what is in `published_only`.

    Raises:
        TalkbenchError: an unknown method, or a card that does not fit.
    """
    if name in published_only():
        return without_code()[name]
    declared = declared_families().get(registry.resolve(name))
    if declared:
        return declared
    path = card_file(name)
    if path.is_file():
        return _read(path)
    return FamilyCard(short=(inspect.getdoc(class_of(name)) or "").split("\n")[0].rstrip("."))


def card_file(name: str) -> Path:
    """Where the card of a method of another package is, if it has one: beside its class.

    Raises:
        TalkbenchError: an unknown method, or one that cannot be imported.
    """
    return Path(inspect.getfile(class_of(name))).with_name("card.yaml")


def card(name: str) -> MethodCard:
    """The card of one configuration, by any of its names.

    Raises:
        TalkbenchError: as `family`.
    """
    full = full_name(name)
    own, common = family(full).method(full), family(full)
    short = own.short if full in common.configurations else describe(full)
    return own.model_copy(update={"short": short, "yardstick": common.yardstick or not is_ranked(full)})


@cache
def _read(path: Path) -> FamilyCard:
    return read_card(FamilyCard, path)


def recipe_name(name: str) -> str:
    """The recipe that a method is trained by, ``<family>/<name>``; "" if it has none."""
    own = family(name).configurations.get(full_name(name), VariantCard())
    return own.recipe or family(name).recipe


def is_ranked(name: str) -> bool:
    """Whether the results of a method are ranked; not those of a yardstick that sees the true image."""
    own = declared_families().get(registry.resolve(name))
    if own:
        return own.configurations.get(registry.resolve(name), VariantCard()).ranked
    return name in published_only() or bool(getattr(class_of(name), "ranked", True))


def is_ablation(name: str) -> bool:
    """Whether a method is a row of the papers' ablation tables, by that name."""
    return name in family(name).ablations


def published_only() -> list[str]:
    """The methods without public code, by name: published numbers are all there is of them.

    A name that a plugin has registered is not among them.
    """
    return [name for name in without_code() if name not in registry]


def full_name(name: str) -> str:
    """`name` with its variant: a bare name means the one that the card calls the default, and another name of an entry
    the entry's own."""
    name = registry.resolve(name)
    return name if "@" in name else family(name).default or name


def demo_name(name: str) -> str:
    """The name of the same method at demo size, for 128×128 images: ``mcnet`` → ``mcnet@demo``, ``mcnet@pe10`` →
    ``mcnet@pe10-demo``, ``fomm@vox-256`` → ``fomm@demo``.

    Raises:
        TalkbenchError: the method has no such size; the message names one that has.
    """
    full = full_name(name)
    if is_demo(full):
        return full
    bare = full.partition("@")[0]
    small = f"{bare}@demo" if full == full_name(bare) else f"{full}{DEMO}"
    try:
        registry.check(small)
    except TalkbenchError as error:
        demo = f"{bare}@demo"
        others = [other.partition("@")[0] for other in registry.names(unlisted=True) if other.endswith("@demo")]
        known = f"that of {bare} is {demo}" if demo in registry else f"methods that have one: {', '.join(others)}"
        raise TalkbenchError(f"{full} has no demo size; {known}") from error
    return registry.resolve(small)


def is_demo(name: str) -> bool:
    """Whether a name says that it is of a model at demo size: ``demo`` is a part of its variant."""
    return "demo" in name.partition("@")[2].split("-")


def known_names() -> list[str]:
    """The full names of all methods that can be used; one with a faulty card is named in the log and left out."""
    return list(dict.fromkeys(registry.each(full_name).values()))


def defaults(trained: bool = False) -> list[str]:
    """The full name of what each method's bare name stands for; with `trained` only where a recipe trains it."""
    names = [name for name in known_names() if name == full_name(name.partition("@")[0])]
    return [name for name in names if family(name).recipe] if trained else names


def all_cards() -> dict[str, MethodCard]:
    """The cards of all methods by their full names, those that are only published included."""
    return {name: card(name) for name in (*known_names(), *published_only())}


def describe(name: str) -> str:
    """What a method is, in one line: a configuration's own words, else its family's."""
    described = family(name).described
    if name not in described and name.removesuffix(DEMO) in described:
        return f"{described[name.removesuffix(DEMO)]}; in proportion at demo size (128x128 images)"
    return described.get(name, family(name).short)


def store(name: str) -> Path:
    """The folder of the weights of a method and all its variants."""
    return home() / "weights" / full_name(name).split("@")[0]


def files_beside(name: str, path: Path) -> dict[str, Path]:
    """Where the files of the networks that the checkpoint at `path` does not hold are looked for, by the network: where
    the card has them seen from the main file, else in the folder of `path`."""
    method = card(name)
    main = Path(method.weights.file) if method.weights else Path()
    root = path.parents[len(main.parts) - 1] if path.parts[-len(main.parts) :] == main.parts else path.parent
    places = {part: Path(file.file) for part, file in method.beside.items()}
    flat = {part: path.parent / place.name for part, place in places.items()}
    return {part: flat[part] if flat[part].is_file() else root / place for part, place in places.items()}


def own_file(name: str) -> str:
    """How weights in our own format are called there, ``<variant>.safetensors``."""
    return f"{full_name(name).split('@')[-1]}.safetensors"


def find_weights(name: str, checkpoint: str | Path | None = None) -> Weights:
    """Decide which weights a run of `name` uses.

    In this order: the `checkpoint` that the user names; what lies in the method's `store`, the official file
    before one of ours; weights that ship with talkbench, beside the card; the card's fallback variant. Methods
    that no recipe trains and whose cards name no weights, such as ``copy-source``, need none.

    Raises:
        TalkbenchError: unknown method or one without code, or weights that are needed and not there; says which
            file is missing, where it is published and where to put it.
    """
    registry.check(name)  # refuses what is unknown or has no code
    method = card(name)
    full = method.name
    if checkpoint is not None:
        return Weights(full, Path(checkpoint), f"checkpoint {Path(checkpoint).name}, given on the command line")
    if not family(full).needs_weights:
        return Weights(full, None, "needs no weights")
    stored = _stored(method)
    if stored:
        return stored
    if method.weights is None:
        raise TalkbenchError(
            f"no weights of {full} are published; train them with bench train, then name the file with --checkpoint"
        )
    lacking = _lacking(method, store(full))
    are, them = ("is", "it") if len(lacking) == 1 else ("are", "them")
    wanted = f"{few(lacking)} ({method.weights.source}) {are} not in {store(full)}"
    fallback = family(full).fallback
    stored = _stored(card(fallback)) if fallback else None
    if stored is None:
        pulled = f"fetch {them} (bench weights pull {full}), " if method.weights.address else ""
        raise TalkbenchError(
            f"{full}: {wanted}; {pulled}put {them} there (bench weights add FILE --as {full}) or name "
            f"{'it' if them == 'it' else 'the first'} with --checkpoint"
            f"{_shipped(full)}"
        )
    note = f"no official checkpoint of {full}, {wanted}; using the small {fallback} instead"
    return Weights(stored.method, stored.path, stored.origin, note)


def _lacking(method: MethodCard, folder: Path) -> list[str]:
    """The published files that a method needs and that are not in `folder`: the main one, and where that is a single
    network those of the others."""
    assert method.weights is not None
    beside = method.beside.values() if method.weights.network else ()
    files = [method.weights, *(file for file in beside if not file.optional)]
    return [file.file for file in files if not (folder / file.file).is_file()]


def _origin(method: MethodCard, folder: Path) -> str:
    """That files in a store are not the published ones, by the hashes with which they were added; "" if none is."""
    files = [file for file in (method.weights, *method.beside.values()) if file and file.sha256]
    others = [file.file for file in files if noted(folder / file.file) not in ("", file.sha256)]
    return f"added by hand: by their sha256 not the published {few(list(dict.fromkeys(others)))}" if others else ""


def _shipped(full: str) -> str:
    """The offer of the small model of the same method, if that ships; "" if it does not."""
    small = f"{full.partition('@')[0]}@demo"
    there = small != full and small in family(full).variants and has_weights(small)
    return f"; {small}, a small model, ships with talkbench" if there else ""


def has_weights(name: str) -> bool | None:
    """Whether the weights of this very configuration are here; None: it needs none."""
    return _stored(card(name)) is not None if family(name).needs_weights else None


def _stored(method: MethodCard) -> Weights | None:
    if method.weights:
        for folder in (store(method.name), Path(__file__).parent / method.name.split("@")[0]):
            if not _lacking(method, folder):
                return Weights(
                    method.name, folder / method.weights.file, _origin(method, folder) or method.weights.source
                )
    ours = store(method.name) / own_file(method.name)
    return Weights(method.name, ours, "added by hand") if ours.is_file() else None
