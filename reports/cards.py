"""The cards that pages are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from talkbench.core.cards import MethodCard, MetricCard
from talkbench.core.dataset_cards import DatasetCard


@dataclass(frozen=True)
class Cards:
    """All cards by name, for pages that show everything. For an unknown name there is an empty card."""

    methods: Mapping[str, MethodCard] = field(default_factory=dict)
    metrics: Mapping[str, MetricCard] = field(default_factory=dict)
    datasets: Mapping[str, DatasetCard] = field(default_factory=dict)

    def method(self, name: str) -> MethodCard:
        return self.methods.get(name) or MethodCard(name=name)

    def metric(self, name: str) -> MetricCard:
        return self.metrics.get(name) or MetricCard(name=name)

    def dataset(self, name: str) -> DatasetCard:
        return self.datasets.get(name) or DatasetCard(name=name)
