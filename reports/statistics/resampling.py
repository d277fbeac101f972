"""Resampling of clusters: bootstrap intervals and sign-flip tests, from the sums of each cluster."""

from __future__ import annotations

import numpy as np

LEVEL = 0.95
RESAMPLES = 9999
SEED = 0

FEWEST = 5
"""The fewest clusters that give an interval: with fewer, too many draws hold one cluster only."""

UNBOUNDED = 1e6
"""The t of a draw whose clusters all agree, so that its standard error is 0."""


def ends(sums: np.ndarray, aggregation: str) -> tuple[float, float] | None:
    """The 95 % interval of `aggregated`, symmetric bootstrap-t over clusters.

    Args:
        sums: (K, G), as `aggregated` takes them, of each of G clusters.

    Returns:
        Unscaled ends. None for fewer than `FEWEST` clusters, and if the interval has no bounds: too many draws hold
        clusters that all agree, as when a single cluster differs from all others.
    """
    from scipy.stats import bootstrap

    if sums.shape[1] < FEWEST:
        return None
    value, error = (float(number) for number in with_error(sums, aggregation))
    rounding = 1e-12 * float(np.abs(sums[::2] / sums[1::2]).max())

    def distance(*drawn: np.ndarray, axis: int) -> np.ndarray:
        """The t of draws (B, G): how far each lies from the value, in its own standard errors."""
        mean, own = with_error(np.stack(drawn), aggregation)
        off = np.abs(mean - value)
        far = np.where(off > rounding, UNBOUNDED, 0.0)
        return np.minimum(np.divide(off, own, out=far, where=(own > rounding) & (off > rounding)), UNBOUNDED)

    draws = bootstrap(
        tuple(sums),
        distance,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(sums.size),
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).bootstrap_distribution
    reach = float(np.quantile(draws, LEVEL, method="higher"))
    if reach >= UNBOUNDED:
        return None
    return value - reach * error, value + reach * error


def sign_flip(sums: np.ndarray) -> np.ndarray:
    """The sign-flip test: how often chance alone makes as large a difference; over several comparisons, max-t.

    Args:
        sums: (M, G), the differences of the sums in each of G clusters, for M comparisons.

    Returns:
        p (M,). The signs of the clusters are flipped at random, for all comparisons together; p says how often the
        largest |t| of any comparison reaches the |t| of this one. For up to 13 clusters all flips are tried. p controls
        the family-wise error over the M comparisons (single-step max-t); for M = 1 it is the plain test.
    """
    from scipy.stats import permutation_test

    count = sums.shape[1]
    if count < 2:
        return np.ones(len(sums))
    size = np.sqrt((sums**2).sum(axis=1, keepdims=True))  # the same however signs are flipped
    t = np.divide(sums, size, out=np.zeros_like(sums), where=size > 0)

    def largest(signs: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.abs(signs @ t.T).max(axis=-1))

    null = permutation_test(
        (np.ones(count),),
        largest,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(max(t.shape)),
        alternative="greater",
        random_state=np.random.default_rng(SEED),
    ).null_distribution
    reached = np.abs(t.sum(axis=1)) * (1 - 1e-12)  # not less by rounding alone
    exceeding = len(null) - np.searchsorted(np.sort(null), reached)
    drawn = int(len(null) < 2**count)  # the observed signs count as one more draw; among all flips they are already
    return np.asarray((exceeding + drawn) / (len(null) + drawn))


def with_error(sums: np.ndarray, aggregation: str) -> tuple[np.ndarray, np.ndarray]:
    """The result of `aggregated` over clusters (K, ..., G) and its jackknife standard error, (...) each."""
    total, count = sums.sum(axis=-1), sums.shape[-1]
    value = aggregated(total, aggregation)
    without = aggregated(total[..., None] - sums, aggregation)
    return value, np.sqrt((count - 1) / count * ((without - value[..., None]) ** 2).sum(axis=-1))


def aggregated(sums: np.ndarray, aggregation: str) -> np.ndarray:
    """The mean (...) from `sums` (2, ...) of weighted values and of weights, or its root for ``root-mean``; from those
    of two runs (4, ...), the difference of their means."""
    means = sums[::2] / sums[1::2]
    if aggregation == "root-mean":
        means = np.sqrt(np.maximum(means, 0))
    return means[0] if len(means) == 1 else means[0] - means[1]


def _batch(width: int) -> int:
    """How many draws of so many numbers fit into 64 MiB."""
    return max(1, 2**23 // width)
