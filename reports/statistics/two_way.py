"""Intervals and tests for means over pairs, whose sources and driving people may both recur (docs/statistics.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from talkbench.reports.statistics.clusterings import Ways, counts_of, crossing
from talkbench.reports.statistics.resampling import (
    FEWEST,
    LEVEL,
    aggregated,
    ends,
    ends_of_means,
    sign_flip,
    with_error,
)

Limits = tuple[float, float]
"""The least and the greatest value that a metric can have."""

UNLIMITED: Limits = (-math.inf, math.inf)


def interval_ends(
    ways: Ways, *columns: np.ndarray, aggregation: str = "mean", limits: Limits = UNLIMITED
) -> tuple[float, float] | None:
    """The 95 % interval of a mean, or of the difference of two means.

    With one clustering it is the bootstrap-t of `ends`, cut off at the limits. With two it is Student's with `error_of`
    and one degree of freedom less than there are clusters in the smaller one; that of a single mean between two finite
    limits is turned into a score interval (see `score_ends`).

    Args:
        columns: values and weights (n,) of each pair, then those of the other run for a difference.
        aggregation: ``mean`` or ``root-mean``.
        limits: of the values of the pairs. If there are values beyond them, they are not those of the metric, and count
            for nothing.

    Returns:
        Unscaled ends within what the limits allow. None for fewer than `FEWEST` clusters in either clustering, and
        where the bootstrap-t has no bounds.
    """
    if min(counts_of(ways), default=0) < FEWEST:
        return None
    if len(ways) == 1:
        return _within(ends(ways[0].sums(*columns), aggregation), columns, aggregation, limits)
    return _within(_student_ends(ways, columns, aggregation, limits), columns, aggregation, limits)


def interval_ends_of_runs(
    ways: Ways, values: Sequence[np.ndarray], weights: np.ndarray, aggregation: str, limits: Limits
) -> list[tuple[float, float] | None]:
    """`interval_ends` of the mean of each of several runs, whose pairs and weights (n,) are the same; faster."""
    if len(ways) != 1 or aggregation != "mean" or not values:
        return [interval_ends(ways, own, weights, aggregation=aggregation, limits=limits) for own in values]
    sums = [ways[0].sums(own, weights) for own in values]
    all_bounds = ends_of_means(np.stack([of_values for of_values, _ in sums]), sums[0][1])
    return [
        _within(bounds, (own, weights), aggregation, limits) for own, bounds in zip(values, all_bounds, strict=True)
    ]


def _student_ends(ways: Ways, columns: Sequence[np.ndarray], aggregation: str, limits: Limits) -> tuple[float, float]:
    """The ends for crossed people, before they are cut off at the limits."""
    from scipy.stats import t as student

    low, high = _limits_of_mean(columns, aggregation, limits)
    value, error = error_of(ways, *columns, aggregation=aggregation)
    reach = error * float(student.ppf((1 + LEVEL) / 2, min(counts_of(ways)) - 1))
    if len(columns) == 2 and math.isfinite(high - low) and low < value < high:
        return score_ends(value, reach, low, high)
    return value - reach, value + reach


def _within(
    bounds: tuple[float, float] | None, columns: Sequence[np.ndarray], aggregation: str, limits: Limits
) -> tuple[float, float] | None:
    """The ends, cut off at what the limits of the values leave for a mean, or for the difference of two."""
    low, high = _limits_of_mean(columns, aggregation, limits)
    lowest, highest = (low, high) if len(columns) == 2 else (low - high, high - low)
    return bounds and (max(bounds[0], lowest), min(bounds[1], highest))


def _limits_of_mean(columns: Sequence[np.ndarray], aggregation: str, limits: Limits) -> Limits:
    return _of_mean(limits if _hold(limits, columns[::2]) else UNLIMITED, aggregation)


def probability(ways: Ways, *columns: np.ndarray, aggregation: str = "mean") -> float | None:
    """p of the two-sided test that two runs do not differ: with one clustering the sign-flip test over its clusters,
    with two Student's with `error_of`, as in `interval_ends`.

    Args:
        columns: values and weights (n,) of run a, then of run b.

    Returns:
        None for two clusterings with fewer than `FEWEST` clusters in either.
    """
    from scipy.stats import t as student

    if len(ways) == 1:
        sums = ways[0].sums(*columns)
        whole = sums.sum(axis=1)
        return float(sign_flip((sums[0] / whole[1] - sums[2] / whole[3])[None])[0])
    if min(counts_of(ways)) < FEWEST:
        return None
    value, error = error_of(ways, *columns, aggregation=aggregation)
    rounding = 1e-12 * max(float(np.abs(column).max()) for column in columns[::2])
    if error <= rounding:
        return float(abs(value) <= rounding)
    return float(2 * student.sf(abs(value) / error, min(counts_of(ways)) - 1))


def probabilities(
    ways: Ways, values: np.ndarray, weights: np.ndarray, aggregation: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """`probability` of every two of N runs whose sources and driving people cross: what the means differ by, and p.

    Args:
        values: (N, n), of the same pairs in all runs.
        weights: (n,).

    Returns:
        (M,) each, in the order of `numpy.triu_indices`; None as `probability`.
    """
    from scipy.stats import t as student

    if min(counts_of(ways)) < FEWEST:
        return None
    first, second = np.triu_indices(len(values), 1)
    means, variances = np.empty(0), []
    for way in (*ways, crossing(*ways)):
        sums = np.stack([way.sums(own, weights) for own in values], axis=1)  # (2, N, G)
        total, count = sums.sum(axis=-1), sums.shape[-1]
        means = aggregated(total, aggregation)
        off = aggregated(total[..., None] - sums, aggregation) - means[:, None]
        apart = [((off[run] - off[run + 1 :]) ** 2).sum(axis=-1) for run in range(len(values))]
        variances.append((count - 1) / count * np.concatenate(apart))
    of_source, of_driving, of_both = variances
    error = np.sqrt(np.maximum(np.maximum(of_source + of_driving - of_both, of_source), of_driving))
    largest = np.abs(values).max(axis=1)
    difference, rounding = means[first] - means[second], 1e-12 * np.maximum(largest[first], largest[second])
    sure = error > rounding
    t = np.divide(np.abs(difference), error, out=np.zeros_like(error), where=sure)
    p = 2 * student.sf(t, min(counts_of(ways)) - 1)
    return difference, np.where(sure, p, (np.abs(difference) <= rounding).astype(float))


def error_of(ways: Ways, *columns: np.ndarray, aggregation: str) -> tuple[float, float]:
    """A mean, or a difference, and its standard error where sources and driving people both recur.

    The variance is that over sources, plus that over driving people, less that over the pairs that share both, which
    the first two both contain (Cameron, Gelbach and Miller 2011); each is the jackknife's. It is never taken for less
    than the larger of the first two. What a role adds to the other is not negative, since people make their pairs
    alike, not unlike; only its estimate can be, by chance, and then errors would be too small where least is
    known.
    """
    value, of_source = with_error(ways[0].sums(*columns), aggregation)
    of_driving, of_both = (with_error(way.sums(*columns), aggregation)[1] for way in (ways[1], crossing(*ways)))
    variance = max(of_source**2 + of_driving**2 - of_both**2, of_source**2, of_driving**2)
    return float(value), math.sqrt(variance)


def score_ends(value: float, reach: float, low: float, high: float) -> tuple[float, float]:
    """The ends of Wilson's score interval (1927) of a mean between `low` and `high`, at the number of independent pairs
    that would give the error that was found.

    The interval holds each mean that lies no further from `value` than `reach`, where the reach is taken for that mean
    and not for `value`: it grows and shrinks as that of a rate, and is nothing at the limits. So the ends stay between
    these, and the end towards the middle is the further one. Far from the limits it is `value` plus and minus `reach`.
    """
    width = high - low
    rate, share = (value - low) / width, (reach / width) ** 2
    spread = share / (rate * (1 - rate))
    centre, half = (rate + spread / 2) / (1 + spread), math.sqrt(share + spread**2 / 4) / (1 + spread)
    return low + width * (centre - half), low + width * (centre + half)


def _hold(limits: Limits, columns: Sequence[np.ndarray]) -> bool:
    """Whether all values lie between the limits, give or take the rounding of float32."""
    low, high = min(column.min() for column in columns), max(column.max() for column in columns)
    rounding = 1e-6 * max(1.0, abs(low), abs(high))
    return bool(limits[0] - rounding <= low and high <= limits[1] + rounding)


def _of_mean(limits: Limits, aggregation: str) -> Limits:
    """The limits of a mean, from those of its values."""
    if aggregation != "root-mean":
        return limits
    low, high = (math.sqrt(max(limit, 0.0)) for limit in limits)
    return low, high
