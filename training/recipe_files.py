"""Where recipes are: those that ship with talkbench, and those that packages ship with their methods."""

from __future__ import annotations

from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.registry import nearest, own_case
from talkbench.methods.cards import card_file
from talkbench.methods.registration import declared_families, registry

RECIPES = Path(__file__).with_name("recipes")


def recipe_names() -> list[str]:
    """The recipes that ship with talkbench, ``mcnet/demo``, and those of the methods of other packages,
    ``mymethod/mine``."""
    others = registry.each(lambda name: [f"{_bare(name)}/{stem}" for stem in _stems(_folder(name))])
    return sorted({*_stems(RECIPES), *(recipe for recipes in others.values() for recipe in recipes)})


def find_recipe(name: str, family: str = "") -> tuple[str, Path]:
    """A recipe by its name, whatever the case of its letters, or by the path of a YAML file: its name, and its file.

    Args:
        family: the method among whose recipes a bare name is looked up first.

    Raises:
        TalkbenchError: there is no recipe of that name; the nearest is offered.
    """
    if name.endswith((".yaml", ".yml")):
        return name, Path(name)
    recipe = _named(f"{family}/{name}") or _named(name)
    if recipe is None:
        method, _, rest = name.partition("/")
        place = f" (there is no {folder / rest}.yaml)" if rest and (folder := _folder(method)) else ""
        raise TalkbenchError(
            f"no training config {name!r}{place}: {nearest(name, recipe_names())}, or give a .yaml file"
        )
    return recipe


def is_recipe(name: str) -> bool:
    """Whether there is a recipe of that full name, ``mcnet/demo``."""
    return _named(name) is not None


def _named(name: str) -> tuple[str, Path] | None:
    """The recipe of a full name and its file; of other packages only the one is imported that has the method."""
    stem = own_case(name, _stems(RECIPES))
    if (path := RECIPES / f"{stem}.yaml").is_file():
        return stem, path
    method, _, rest = name.partition("/")
    folder = _folder(method) if rest else None
    stem = own_case(rest, _stems(folder))
    if folder is None or stem not in _stems(folder):
        return None
    return f"{registry.resolve(method)}/{stem}", folder / f"{stem}.yaml"


def _folder(method: str) -> Path | None:
    """Where the recipes of a method of another package are, beside its card; None for other names."""
    if not method or method not in registry or registry.resolve(method) in declared_families():
        return None
    return card_file(method).with_name("recipes")


def _stems(folder: Path | None) -> list[str]:
    """The names of the recipes in a folder, without ``.yaml``."""
    paths = folder.rglob("*.yaml") if folder else []
    return [path.relative_to(folder).with_suffix("").as_posix() for path in paths if folder]


def _bare(method: str) -> str:
    """A method's name without its variant, if it has one of that name."""
    bare = method.partition("@")[0]
    return bare if bare in registry else method
