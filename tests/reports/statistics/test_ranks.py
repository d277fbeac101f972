"""Which runs a test tells apart."""

from collections.abc import Callable

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run
from talkbench.reports.statistics.ranks import rank_intervals


def noise(seed: int, mean: float, count: int = 36) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(mean, 0.01, count)]


def test_methods_that_a_test_cannot_separate_share_a_rank(
    run: Callable[..., Run], specs: list[dict[str, object]]
) -> None:
    runs = [
        run(name, values={"l1": noise(seed, mean)})
        for seed, (name, mean) in enumerate([("good", 0.1), ("also good", 0.101), ("bad", 0.2), ("worst", 0.4)])
    ]
    lost = run("lost", values={"l1": ["no-face-generated"] * 36})
    without = run("without", values={"psnr": noise(1, 20)})
    ranks = rank_intervals([*runs, lost, without], "l1")
    assert list(ranks) == [run.record.run_id for run in runs]
    assert list(ranks.values()) == [(1, 2), (1, 2), (3, 3), (4, 4)]
    upwards = [{**specs[0], "direction": "higher"}]
    turned = [run(name, specs=upwards, values={"l1": noise(7, mean)}) for name, mean in (("a", 0.1), ("b", 0.2))]
    assert list(rank_intervals(turned, "l1").values()) == [(2, 2), (1, 1)]
    assert list(rank_intervals(runs[:1], "l1").values()) == [(1, 1)]
    few = [run(name, clips=5, values={"l1": noise(8, mean)}) for name, mean in (("a", 0.1), ("b", 0.9))]
    assert list(rank_intervals(few, "l1").values()) == [(1, 2), (1, 2)]
    other = run("other", values={"l1": noise(1, 0.2)}, dataset={"motion": "relative-first"})
    with pytest.raises(TalkbenchError, match="not of one protocol"):
        rank_intervals([*runs, other], "l1")


def test_ranks_go_over_the_pairs_that_two_runs_share(run: Callable[..., Run]) -> None:
    """Both have the same values; one has none of the bad pairs."""
    values = [0.1 + 0.01 * (pair % 5) + (0.5 if pair % 3 == 0 else 0) for pair in range(36)]
    runs = [
        run("whole", values={"l1": values}),
        run("part", values={"l1": ["no-face-generated" if pair % 3 == 0 else values[pair] for pair in range(36)]}),
    ]
    assert list(rank_intervals(runs, "l1").values()) == [(1, 2), (1, 2)]


def test_methods_whose_sources_cross_the_driving_people_are_told_apart_by_both(run: Callable[..., Run]) -> None:
    """Twelve sources decide how much better one method is: over the driving people alone, all would be sure."""

    def source(pair: int) -> int:
        return (pair + pair // 12) % 12

    base = np.array(noise(1, 0.5, 144))
    gain = np.random.default_rng(5).normal(0.0, 0.2, 12)[[source(pair) for pair in range(144)]]

    def ranks(*levels: np.ndarray, **fields: object) -> list[tuple[int, int]]:
        runs = [run(f"m{place}", values={"l1": list(base + level)}, **fields) for place, level in enumerate(levels)]
        return list(rank_intervals(runs, "l1").values())

    assert ranks(0 * gain, gain, source=source) == [(1, 2), (1, 2)]
    assert ranks(0 * gain, gain) != [(1, 2), (1, 2)]
    assert ranks(0 * gain, gain, gain + 2, source=source) == [(1, 2), (1, 2), (3, 3)]
    assert ranks(0 * gain, gain + 2, source=lambda pair: pair // 36) == [(1, 2), (1, 2)]  # four sources
