"""The programs that have a card in the tree, by name."""

from __future__ import annotations

from pathlib import Path

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import is_there
from talkbench.core.registry import nearest, own_case

FOLDER = Path(__file__).parent / "cards"


def names() -> list[str]:
    """The names of the programs that have a card in the tree."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def card_path(name: str) -> Path:
    """The file of a card, by its name in the tree or, ending in .yaml, by its path.

    Raises:
        TalkbenchError: there is no such card; says which there are.
    """
    if name.endswith((".yaml", ".yml")):
        if not is_there(Path(name)):
            raise TalkbenchError(f"there is no card {name}; check the path")
        return Path(name)
    listed = names()
    if own_case(name, listed) not in listed:
        close = nearest(name, listed)
        raise TalkbenchError(
            f"no card {name!r}: {close.removesuffix('?')}; a card of your own is a path that ends in .yaml"
        )
    return FOLDER / f"{own_case(name, listed)}.yaml"
