"""What is known of families of metrics beyond their cards: definitions, and how they have gone wrong elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class FamilyNotes:
    """A family of metrics, ``ssim``.

    Attributes:
        title: the name in full.
        definition: one or two sentences that hold for all variants.
        formula: the same in symbols; "" where words are clearer.
        faults: what goes wrong with it in published numbers or in common code.
    """

    title: str
    definition: str = ""
    formula: str = ""
    faults: tuple[str, ...] = ()


def family_notes(family: str) -> FamilyNotes:
    """The notes on `family`; its name alone if there are none."""
    return _notes().get(family) or FamilyNotes(family)


@cache
def _notes() -> dict[str, FamilyNotes]:
    """``metric_notes.yaml``."""
    import yaml

    text = (files(__package__) / "metric_notes.yaml").read_text(encoding="utf-8")
    return {
        family: FamilyNotes(**{**entry, "faults": tuple(entry["faults"])})
        for family, entry in yaml.safe_load(text).items()
    }
