"""Resampling of clusters: bootstrap intervals and sign-flip tests, from the sums of each cluster."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

LEVEL = 0.95
RESAMPLES = 9999
SEED = 0

FEWEST = 5
"""The fewest clusters that give an interval: with fewer, too many draws hold one cluster only."""

UNBOUNDED = 1e6
"""The t of a draw whose clusters all agree, so that its standard error is 0."""

SLACK = 1 - 1e-12
"""What is less than another number by rounding alone is not less."""

BLOCK = 10
"""Runs in a block of `told_apart`."""

FAR = 1e3
"""A reach from which on `ends_of_means` leaves the interval to `ends`, since its errors are differences of sums."""


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


def ends_of_means(sums: np.ndarray, weights: np.ndarray) -> list[tuple[float, float] | None]:
    """What `ends` gives for each of N means, from the same draws, for all of them together.

    In a draw, without cluster g the mean is off from the draw's mean m by (w m - v) / (W - w), where v and w are the
    sums of values and weights in the cluster and W is the weight of the draw. The square of that, summed over the
    clusters drawn, falls into three sums which are products of matrices.

    Args:
        sums: (N, G), of weighted values in each of G clusters.
        weights: (G,), of weights, the same for all N.
    """
    count = len(weights)
    if count < FEWEST:
        return [None] * len(sums)
    value, error = with_error(np.stack([sums, np.broadcast_to(weights, sums.shape)]), "mean")
    rounding = 1e-12 * np.abs(sums / weights).max(axis=1)
    around = sums - value[:, None] * weights
    random, t = np.random.default_rng(SEED), np.empty((RESAMPLES, len(sums)))
    step = _batch(max(sums.shape))
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        places = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(places.ravel(), minlength=size * count).reshape(size, count).astype(float)
        whole = (times @ weights)[:, None]
        off = times @ around.T / whole
        factors = np.divide(times, (whole - weights) ** 2, out=np.zeros_like(times), where=times > 0)
        squares = off**2 * (factors @ weights**2)[:, None] - 2 * off * (factors @ (weights * around).T)
        own = np.sqrt((count - 1) / count * np.maximum(squares + factors @ (around**2).T, 0.0))
        off = np.abs(off)
        far = np.where(off > rounding, UNBOUNDED, 0.0)
        t[start : start + size] = np.divide(off, own, out=far, where=(own > rounding) & (off > rounding))
    reaches = np.quantile(t, LEVEL, method="higher", axis=0)
    return [
        (float(middle - reach * width), float(middle + reach * width)) if reach < FAR else ends(np.stack(pair), "mean")
        for middle, reach, width, pair in zip(value, reaches, error, ((row, weights) for row in sums), strict=True)
    ]


def sign_flip(sums: np.ndarray) -> np.ndarray:
    """The sign-flip test: how often chance alone makes as large a difference; over several comparisons, max-t.

    Args:
        sums: (M, G), the differences of the sums in each of G clusters, for M comparisons.

    Returns:
        p (M,). The signs of the clusters are flipped at random, for all comparisons together; p says how often the
        largest |t| of any comparison reaches the |t| of this one. For up to 13 clusters all flips are tried. p controls
        the family-wise error over the M comparisons (single-step max-t); for M = 1 it is the plain test.
    """
    count = sums.shape[1]
    if count < 2:
        return np.ones(len(sums))
    size = np.sqrt((sums**2).sum(axis=1, keepdims=True))  # the same however signs are flipped
    t = np.divide(sums, size, out=np.zeros_like(sums), where=size > 0)
    signs, step = flips(count), _batch(max(t.shape))
    parts = (signs[start : start + step].astype(float) for start in range(0, len(signs), step))
    null = np.concatenate([np.abs(part @ t.T).max(axis=1) for part in parts])
    reached = np.abs(t.sum(axis=1)) * SLACK
    return _shares(len(null) - np.searchsorted(np.sort(null), reached), count)


def told_apart(sums: np.ndarray) -> np.ndarray:
    """Which of N runs `sign_flip` tells apart at `LEVEL` where all their differences are tested together.

    The largest |t| of a draw is looked for only where it can matter. Runs are taken in blocks of similar ones; that the
    sums of two blocks lie in so narrow ranges, in this draw, bounds all |t| between them.

    Args:
        sums: (N, G), of weighted values in each of G clusters.

    Returns:
        (N, N), symmetric, of bool.
    """
    count = sums.shape[1]
    if count < 2:
        return np.zeros((len(sums), len(sums)), dtype=bool)
    order = np.argsort(sums.sum(axis=1), kind="stable")
    sums = sums[order]
    size = np.sqrt(np.stack([((row - sums) ** 2).sum(axis=1) for row in sums]))
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    total = sums.sum(axis=1)
    reached = np.abs(total[:, None] - total) * inverse * SLACK
    apart = np.zeros_like(reached, dtype=bool)
    apart[np.ix_(order, order)] = reached > _critical(flips(count) @ sums.T, inverse, count)
    return apart


def _critical(flipped: np.ndarray, inverse: np.ndarray, count: int) -> float:
    """The |t| above which `sign_flip` finds a difference at `LEVEL`; infinite if it can find none.

    Args:
        flipped: (S, N), the sum of each run over its clusters with the signs of each draw.
        inverse: (N, N), what a difference of these is multiplied by to give t.
    """
    draws = np.arange(len(flipped))
    most = int(np.searchsorted(_shares(np.arange(len(draws) + 1), count), 1 - LEVEL, side="right")) - 1
    if most < 0:
        return math.inf
    null, step = np.zeros(len(draws)), _batch(4 * len(inverse))
    for runs in (flipped.argmin(axis=1), flipped.argmax(axis=1)):  # where the largest |t| often is
        for start in range(0, len(draws), step):
            part = draws[start : start + step]
            off = np.abs(flipped[part] - flipped[part, runs[part]][:, None])
            null[part] = np.maximum(null[part], (off * inverse[runs[part]]).max(axis=1))
    least = np.maximum(null, _largest(null, most)) * SLACK  # no less can change what is returned
    blocks = [slice(start, start + BLOCK) for start in range(0, len(inverse), BLOCK)]
    low, high = (np.stack([end(flipped[:, block], axis=1) for block in blocks]) for end in (np.min, np.max))
    for one, block in enumerate(blocks):
        for other in range(one, len(blocks)):
            factors = inverse[block, blocks[other]]
            reach = np.maximum(high[one] - low[other], high[other] - low[one]) * factors.max()
            part = draws[reach > least]
            if len(part):
                off = np.abs(flipped[part, block][:, :, None] - flipped[part, blocks[other]][:, None])
                null[part] = np.maximum(null[part], (off * factors).max(axis=(1, 2)))
    return _largest(null, most)


def _largest(numbers: np.ndarray, place: int) -> float:
    """The largest of the numbers for `place` 0, the one after it for 1, and so on."""
    return float(-np.partition(-numbers, place)[place])


def _shares(exceeding: np.ndarray, count: int) -> np.ndarray:
    """p, from how many of the flips of `count` signs reach as far."""
    flipped = len(flips(count))
    drawn = int(flipped < 2**count)  # the observed signs count as one more draw; among all flips they are already
    return np.asarray((exceeding + drawn) / (flipped + drawn))


def flips(count: int) -> np.ndarray:
    """(S, G) signs of `count` clusters, of int8: all for up to 13 clusters, else `RESAMPLES` drawn ones."""
    return _flips(count, RESAMPLES, SEED)


@lru_cache(maxsize=4)
def _flips(count: int, resamples: int, seed: int) -> np.ndarray:
    from scipy.stats import permutation_test

    drawn: list[np.ndarray] = []

    def keep(signs: np.ndarray, axis: int) -> np.ndarray:
        drawn.extend([signs.astype(np.int8)] if signs.ndim > 1 else [])  # those observed come first
        return np.asarray(signs[..., 0])

    permutation_test(
        (np.ones(count),),
        keep,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=_batch(count),
        alternative="greater",
        random_state=np.random.default_rng(seed),
    )
    return np.concatenate(drawn)


def holm(p: np.ndarray) -> np.ndarray:
    """p corrected for all tests together by Holm's method (1979)."""
    order = np.argsort(p)
    raised = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    corrected = np.empty_like(raised)
    corrected[order] = raised
    return corrected


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
