"""The data sets: one is its YAML card alone, unless it needs code; then a class stands beside the card."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from talkbench.datasets.external import ExternalDataset
from talkbench.datasets.registration import registry

for _card in Path(__file__).parent.glob("*.yaml"):
    if not _card.with_name(f"{_card.stem.replace('-', '_')}.py").is_file():
        registry.register(_card.stem)(partial(ExternalDataset, card=_card))
