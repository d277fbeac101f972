"""How often intervals and tests over crossed people are right, in simulated runs: the tables of docs/statistics.md.

``python -m talkbench.reports.statistics.coverage`` prints them; with 5000 trials each that takes about a minute.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from talkbench.reports.statistics.clusterings import Clustering, Ways
from talkbench.reports.statistics.resampling import LEVEL
from talkbench.reports.statistics.two_way import UNLIMITED, interval_ends, probability


@dataclass(frozen=True)
class Setting:
    """A cross-identity run: pairs of people who are drawn at random, no one driving themselves.

    Attributes:
        source, driving, noise: standard deviations of what the source, the driving person and the pair add to a value.
        typical: None for values about 0. Else values are 0 or 1, and 1 at the rate `typical` where source and driving
            person add nothing to its logit.
    """

    people: int
    pairs: int
    source: float
    driving: float
    noise: float = 0.0
    typical: float | None = None

    @property
    def truth(self) -> float:
        """The mean over all people that there could be."""
        if self.typical is None:
            return 0.0
        places, weights = np.polynomial.hermite_e.hermegauss(80)
        rates = _rate(self.typical, math.hypot(self.source, self.driving) * places)
        return float((weights * rates).sum() / weights.sum())

    def draw(self, random: np.random.Generator) -> tuple[Ways, np.ndarray]:
        """The clusterings and the values of one run."""
        of_source, of_driving = (random.normal(0, spread, self.people) for spread in (self.source, self.driving))
        source = random.integers(self.people, size=self.pairs)
        driving = (source + 1 + random.integers(self.people - 1, size=self.pairs)) % self.people
        added = of_source[source] + of_driving[driving]
        if self.typical is None:
            values = added + random.normal(0, self.noise, self.pairs)
        else:
            values = (random.random(self.pairs) < _rate(self.typical, added)).astype(float)
        return (_clustering("source", source), _clustering("driving", driving)), values


NORMAL = (
    Setting(40, 1000, 1, 0, 0.3),
    Setting(40, 1000, 1, 1, 0.3),
    Setting(40, 1000, 0, 1, 0.3),
    Setting(40, 1000, 0, 0, 1),
    Setting(10, 500, 1, 0.5, 0.3),
)
RATES = (
    Setting(40, 1000, 1, 1, typical=0.12),
    Setting(40, 1000, 1, 1, typical=0.018),
    Setting(10, 500, 1, 1, typical=0.05),
    Setting(10, 500, 0.7, 0.7, typical=0.007),
)


def right(setting: Setting, trials: int, seed: int = 0, role: str = "") -> tuple[float, float]:
    """Of simulated runs, the share whose interval holds the true mean; and of simulated differences between two equal
    runs, the share that a test at 5 % finds. A run without an interval counts as one whose interval holds everything.

    Args:
        role: ``source`` or ``driving``: as if pairs had this person alone in common.

    Returns:
        Two shares in [0, 1]; the second is nan for rates.
    """
    random, held, positive, truth = np.random.default_rng(seed), 0, 0, setting.truth
    weights, zero = np.ones(setting.pairs), np.zeros(setting.pairs)
    limits = UNLIMITED if setting.typical is None else (0.0, 1.0)
    for _ in range(trials):
        ways, values = setting.draw(random)
        ways = tuple(way for way in ways if role in ("", way.role))
        low, high = interval_ends(ways, values, weights, limits=limits) or UNLIMITED
        held += low <= truth <= high
        if setting.typical is None:
            positive += (probability(ways, values, weights, zero, weights) or 0.0) <= 1 - LEVEL
    return held / trials, positive / trials if setting.typical is None else math.nan


def tables(trials: int, seed: int, role: str) -> Iterator[str]:
    """The lines of both tables, as Markdown."""
    yield from ("| people, pairs | source, driving, noise | coverage | false positives |", "|--:|---|--:|--:|")
    for setting in NORMAL:
        held, positive = right(setting, trials, seed, role)
        spreads = f"{setting.source:g}, {setting.driving:g}, {setting.noise:g}"
        yield f"| {setting.people}, {setting.pairs} | {spreads} | {100 * held:.1f} | {100 * positive:.1f} |"
    yield from ("", "| people, pairs | true rate | coverage |", "|--:|--:|--:|")
    for setting in RATES:
        held, _ = right(setting, trials, seed, role)
        yield f"| {setting.people}, {setting.pairs} | {100 * setting.truth:.1f} % | {100 * held:.1f} |"


def _rate(typical: float, added: np.ndarray) -> np.ndarray:
    """The rate whose logit is that of `typical` plus `added`."""
    return np.asarray(1 / (1 + (1 - typical) / typical * np.exp(-added)))


def _clustering(role: str, people: np.ndarray) -> Clustering:
    names, codes = np.unique(people, return_inverse=True)
    return Clustering(role, codes, tuple(map(str, names)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000, help="simulated runs for each line (default: 5000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--alone", dest="role", choices=["source", "driving"], default="",
        help="as if pairs had this person alone in common: bootstrap-t and sign flips over one clustering, slow",
    )  # fmt: skip
    arguments = parser.parse_args()
    for line in tables(arguments.trials, arguments.seed, arguments.role):
        print(line, flush=True)


if __name__ == "__main__":
    main()
