"""Data sets: clips of frames, and the splits (lists of pairs) that methods are evaluated on."""

from __future__ import annotations

from talkbench.datasets.dataset import Dataset, Split, has_truth
from talkbench.datasets.pairs import Frame, Pair
from talkbench.datasets.registration import card, cards, create, registry

__all__ = ["Dataset", "Frame", "Pair", "Split", "card", "cards", "create", "has_truth", "registry"]
