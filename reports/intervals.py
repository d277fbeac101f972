"""How sure a mean is: bootstrap over clips, since the pairs of one clip are not independent (specs evaluation 4.2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from talkbench.results import MetricSpec
from talkbench.results.summary import counted

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
RESAMPLES = 9999
SEED = 0


def clip_interval(rows: pd.DataFrame, spec: MetricSpec, missing: str) -> tuple[tuple[float, float] | None, int]:
    """The 95 % interval of a run's mean, unscaled, and the number of driving clips it was taken over.

    Driving clips are drawn with replacement, as many as there are, each with all its pairs; the interval holds the
    middle 95 % of the means of `RESAMPLES` such draws (percentile method, fixed seed).

    Args:
        rows: of one run, as `RunStore.rows` gives them.
        missing: the rule for missing faces.

    Returns:
        None in place of the interval of fewer than two clips, and of a metric that takes whole sets.
    """
    from scipy.stats import bootstrap

    valid = counted(rows[rows["metric"] == spec.name], spec, missing)
    valid = valid[valid["value"].notna() & (valid["weight"] > 0)]
    clips = valid.assign(sum=valid["value"] * valid["weight"]).groupby("driving_clip")[["sum", "weight"]].sum()
    if len(clips) < 2 or spec.aggregation == "set":
        return None, len(clips)

    def mean(sums: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(sums.sum(axis=axis) / weights.sum(axis=axis))

    found = bootstrap(
        (clips["sum"].to_numpy(), clips["weight"].to_numpy()),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    ends = (float(found.low), float(found.high))
    return (ends if spec.aggregation == "mean" else (math.sqrt(ends[0]), math.sqrt(ends[1]))), len(clips)
