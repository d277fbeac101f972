"""How far metrics agree that measure one quantity with different models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from talkbench.results import MetricSpec

if TYPE_CHECKING:
    import pandas as pd

LEAST = 3
"""Pairs without which no correlation is stated: through two points there is always a line."""

EQUAL = 1e-12
"""Values that differ by less than this share of the largest are the same: what is left is rounding."""

READING = (
    "Two models that measure one thing should put the pairs into one order. Spearman compares the orders, Pearson the "
    "values: near 1 they agree, near 0 the numbers of single pairs say little, whichever model they come from. Where "
    "all pairs are about equally good both are lower, since little but each model's own error is left to compare."
)
"""How to read it, in words."""

VERDICTS = ("missing-face-rate",)
"""Families whose pairs are 0 or 1, which have no order worth comparing."""


@dataclass(frozen=True)
class Agreement:
    """Two metrics of one family, of different extractors, over the pairs for which both have a value.

    Attributes:
        first, second: names of the metrics.
        pairs: how many have both.
        spearman: correlation of the ranks, -1 to 1; None where it is not defined.
        pearson: correlation of the values, likewise.
        problem: why they are not defined; "" if they are.
    """

    first: str
    second: str
    pairs: int
    spearman: float | None = None
    pearson: float | None = None
    problem: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The number of pairs and the two correlations as printed; where they are not defined, a dash."""
        numbers = (f"{value:z.2f}" if value is not None else "–" for value in (self.spearman, self.pearson))
        return str(self.pairs), *numbers


def agreements(metrics: Sequence[MetricSpec], rows: pd.DataFrame) -> list[Agreement]:
    """Of every two of the `metrics` that measure one quantity with different extractors how far they agree.

    One quantity are the variants of a family (``akd``, ``akd@dlib68``); metrics of whole sets have no values of pairs.

    Args:
        rows: as `RunStore.rows` gives them.
    """
    compared = [
        spec for spec in metrics if spec.extractor and spec.aggregation != "set" and spec.family not in VERDICTS
    ]
    values = rows.pivot(index="pair", columns="metric", values="value") if len(rows) else rows
    return [
        _agreement(first.name, second.name, values)
        for first, second in combinations(compared, 2)
        if first.family == second.family and first.extractor != second.extractor
    ]


def _agreement(first: str, second: str, values: pd.DataFrame) -> Agreement:
    from scipy.stats import pearsonr, spearmanr

    both = np.empty((0, 2))
    if first in values and second in values:
        both = values[[first, second]].to_numpy(np.float64)
        both = both[np.isfinite(both).all(axis=1)]
    count = len(both)
    if count < LEAST:
        return Agreement(first, second, count, problem=f"fewer than {LEAST} pairs have both values")
    for name, column in zip((first, second), both.T, strict=True):
        if np.ptp(column) <= EQUAL * np.abs(column).max():
            return Agreement(first, second, count, problem=f"{name} has the same value for all of these pairs")
    return Agreement(first, second, count, float(spearmanr(*both.T)[0]), float(pearsonr(*both.T)[0]))
