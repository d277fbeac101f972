"""The data sets: most consist of a YAML card alone; one that needs code has a class beside its card."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from talkbench.datasets.external import ExternalDataset
from talkbench.datasets.registration import registry

for _card in Path(__file__).parent.glob("*.yaml"):
    if not _card.with_name(f"{_card.stem.replace('-', '_')}.py").is_file():
        registry.register(_card.stem)(partial(ExternalDataset, card=_card))
