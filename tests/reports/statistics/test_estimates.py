"""Intervals, paired comparisons and ranks: what they must be, how often they are right, and what they refuse."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run, load_runs
from talkbench.reports.statistics.estimates import Interval, Paired, compare, count_clusters, interval, rank_intervals
from talkbench.reports.statistics.resampling import ends, sign_flip
from talkbench.results import MetricSpec, RunStore

MakeStore = Callable[..., RunStore]
Trials = Callable[[int], Iterator[None]]

L1 = MetricSpec(name="l1", version=1, direction="lower", decimals=4, backend="torch")
ROOT = L1.model_copy(update={"aggregation": "root-mean"})
SET = L1.model_copy(update={"aggregation": "set"})
WORST = L1.model_copy(update={"worst": 1.0})


def rows_of(values: Sequence[float] | np.ndarray, clips: int, metric: str = "l1") -> pd.DataFrame:
    """Rows of pairs whose clips take turns."""
    count = len(values)
    columns: dict[str, Any] = {
        "pair": range(count),
        "source_clip": "s",
        "source_index": 0,
        "driving_clip": [f"c{pair % clips}" for pair in range(count)],
        "driving_index": range(count),
        "metric": metric,
        "value": np.asarray(values, dtype=float),
        "weight": 1.0,
        "reason": "",
        "message": "",
    }
    return pd.DataFrame(columns)


@pytest.fixture
def clustered() -> pd.DataFrame:
    """40 pairs of 8 clips whose means differ."""
    return rows_of(np.random.default_rng(3).normal(0.03, 0.002, 40) + 0.01 * (np.arange(40) % 8), 8)


def bounded(found: Interval | None) -> Interval:
    assert found is not None
    return found


def test_the_interval_is_that_of_clips_and_always_the_same(clustered: pd.DataFrame) -> None:
    found = bounded(interval(clustered, L1, "drop"))
    assert found == interval(clustered, L1, "drop")
    assert found.clusters == count_clusters(clustered, L1, "drop") == 8
    # Equal clips: symmetric about the mean, and near to Student's interval of the eight means of clips.
    means = clustered.groupby("driving_clip")["value"].mean()
    assert (found.low + found.high) / 2 == pytest.approx(means.mean())
    reach = stats.t.ppf(0.975, 7) * means.std(ddof=1) / math.sqrt(8)
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=0.2)
    root = bounded(interval(clustered.assign(value=clustered["value"] ** 2), ROOT, "drop"))
    assert root.low < math.sqrt((clustered["value"] ** 2).mean()) < root.high


def test_no_interval_of_few_clusters_of_a_set_or_where_draws_set_no_bounds(clustered: pd.DataFrame) -> None:
    assert interval(rows_of(range(8), 4), L1, "drop") is None
    assert interval(rows_of(range(10), 5), L1, "drop") is not None
    assert interval(clustered, SET, "drop") is None
    assert interval(clustered.iloc[:0], L1, "drop") is None
    assert count_clusters(clustered.iloc[:0], L1, "drop") == 0
    # One clip of ten differs: a third of all draws do not hold it, and know of no error.
    assert interval(rows_of([1.0, *[0.0] * 9], 10), L1, "drop") is None
    assert interval(rows_of([0.1] * 20, 10), L1, "drop") == Interval(pytest.approx(0.1), pytest.approx(0.1), 10)


def test_the_worst_value_counts_in_the_interval(clustered: pd.DataFrame) -> None:
    lost = clustered["driving_clip"] == "c0"
    rows = clustered.assign(value=clustered["value"].mask(lost), reason=np.where(lost, "no-face-generated", ""))
    dropped, worst = (bounded(interval(rows, WORST, rule)) for rule in ("drop", "worst"))
    assert (dropped.clusters, worst.clusters) == (7, 8)
    assert worst.high > dropped.high + 0.1


def test_people_are_resampled_where_they_are_known(clustered: pd.DataFrame) -> None:
    people = {f"c{clip}": str(clip // 2) for clip in range(8)}
    assert interval(clustered, L1, "drop", people.__getitem__) is None
    assert count_clusters(clustered, L1, "drop", people.__getitem__) == 4


def test_weights_count_as_repeated_pairs_and_none_counts_nothing(clustered: pd.DataFrame) -> None:
    weighted = clustered.assign(weight=np.where(clustered["pair"] % 3 == 0, 2.0, 1.0))
    repeated = pd.concat([clustered, clustered[clustered["pair"] % 3 == 0]])
    found, expected = (bounded(interval(rows, L1, "drop")) for rows in (weighted, repeated))
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    ignored = pd.concat([clustered, rows_of([9.0], 1).assign(weight=0.0)])
    assert bounded(interval(ignored, L1, "drop")).high == pytest.approx(bounded(interval(clustered, L1, "drop")).high)


def test_the_sign_flip_test_counts_flips() -> None:
    assert sign_flip(np.ones((1, 5))) == [2 / 2**5]
    assert sign_flip(np.ones((1, 2))) == [0.5]
    assert sign_flip(np.ones((1, 1))) == [1]
    assert sign_flip(np.zeros((1, 6))) == [1]
    # Of the eight sums of +-1, +-2 and +-4 those of size 5 and 7 are at least 5.
    assert sign_flip(np.array([[-1.0, 2, 4]])) == [4 / 8]
    assert sign_flip(np.ones((1, 30))) == [1 / 10_000]  # drawn: what was observed is one of them
    several = sign_flip(np.stack([np.ones(6), np.tile([1.0, -1], 3)]))
    assert several[0] >= 2 / 2**6
    assert several[1] == 1


# What is claimed: 95 % of intervals hold the truth, and 5 % of tests find what is not there. With 9999 draws that would
# take minutes; so few draws do not change by how much intervals are too narrow or too wide, if each trial has its own.


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Trials:
    """Trials with few draws, of another seed each."""

    def count(number: int) -> Iterator[None]:
        monkeypatch.setattr("talkbench.reports.statistics.resampling.RESAMPLES", 299)
        for trial in range(number):
            monkeypatch.setattr("talkbench.reports.statistics.resampling.SEED", trial)
            yield

    return count


def drawn_clusters(random: np.random.Generator, clusters: int, unequal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Means of clusters about 0 that differ as much as the pairs in them, and the numbers of their pairs."""
    sizes = np.maximum(1, 20 * random.lognormal(-0.5, 1, clusters)).round() if unequal else np.full(clusters, 20.0)
    return random.normal(size=clusters) + random.normal(size=clusters) / np.sqrt(sizes), sizes


def within(share: float, expected: float, count: int) -> bool:
    """Whether a share of `count` trials is as expected, up to three standard errors."""
    return abs(share - expected) < 3 * math.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize(("clusters", "unequal"), [(10, False), (30, True), (100, True)])
def test_intervals_cover_95_percent(trials: Trials, clusters: int, unequal: bool) -> None:
    random, held, count = np.random.default_rng(7), 0, 300
    for _ in trials(count):
        means, sizes = drawn_clusters(random, clusters, unequal)
        low, high = ends(np.stack([means * sizes, sizes]), "mean") or (math.nan, math.nan)
        held += low <= 0 <= high
    assert within(held / count, 0.95, count)


def test_intervals_of_paired_differences_of_roots_cover_95_percent(trials: Trials) -> None:
    random, held, count = np.random.default_rng(8), 0, 250
    for _ in trials(count):
        means, sizes = drawn_clusters(random, 30, unequal=True)
        shared = 20 + means
        one, other = (shared + random.normal(size=30) for _ in range(2))
        low, high = ends(np.stack([one * sizes, sizes, other * sizes, sizes]), "root-mean") or (math.nan, math.nan)
        held += low <= 0 <= high
    assert within(held / count, 0.95, count)


@pytest.mark.parametrize(("clusters", "unequal"), [(10, True), (30, False)])
def test_no_difference_is_found_in_95_percent(trials: Trials, clusters: int, unequal: bool) -> None:
    random, found, count = np.random.default_rng(9), 0, 400
    for _ in trials(count):
        means, sizes = drawn_clusters(random, clusters, unequal)
        found += sign_flip((means * sizes)[None])[0] <= 0.05
    assert within(found / count, 0.05, count)


def test_a_ranking_of_equal_methods_separates_any_two_in_5_percent(trials: Trials) -> None:
    random, found, count = np.random.default_rng(10), 0, 250
    first, second = np.triu_indices(6, 1)
    for _ in trials(count):
        methods = random.normal(size=(6, 20))
        found += sign_flip(methods[first] - methods[second]).min() <= 0.05
    assert within(found / count, 0.05, count)


SPECS: list[dict[str, object]] = [
    {"name": "l1", "version": 1, "direction": "lower", "decimals": 4, "backend": "torch"},
    {"name": "psnr", "version": 1, "direction": "higher", "unit": "dB", "decimals": 2, "backend": "torch"},
    {"name": "prmse@global", "version": 1, "direction": "lower", "backend": "feat", "aggregation": "root-mean"},
]


@pytest.fixture
def run(make_store: MakeStore) -> Callable[..., Run]:
    """A run of twelve clips that take turns, unless it is said otherwise."""

    def make(name: str, clips: int = 12, specs: list[dict[str, object]] = SPECS, **fields: Any) -> Run:
        values = fields.pop("values")
        count = max(map(len, values.values()))
        data = {"name": "tiny", "pairs": count, **fields.pop("dataset", {})}
        store = make_store(name, values, [spec for spec in specs if spec["name"] in values], dataset=data, **fields)
        (made,) = load_runs([store])
        assert made.rows is not None
        rows = made.rows.assign(driving_clip=[f"c{pair % clips}" for pair in made.rows["pair"]])
        return Run(made.record, made.summary, rows)

    return make


def noise(seed: int, mean: float, count: int = 36) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(mean, 0.01, count)]


def test_two_runs_are_compared_on_the_pairs_that_both_have(run: Callable[..., Run]) -> None:
    one = {"l1": noise(1, 0.2), "psnr": noise(2, 20)}
    other = {"l1": noise(3, 0.3), "psnr": ["infinite", *noise(4, 20)[1:]]}
    a, b = run("a", values=one), run("b", values=other)
    l1, psnr = compare(a, b)
    assert (l1.metric, l1.pairs, l1.total, l1.clusters, l1.coverage) == ("l1", 36, 36, 12, 1)
    differences = np.array(one["l1"]) - other["l1"]
    assert l1.difference == pytest.approx(differences.mean())
    assert (l1.mean_a, l1.mean_b) == (pytest.approx(np.mean(one["l1"])), pytest.approx(np.mean(other["l1"])))
    assert l1.low is not None
    assert l1.high is not None
    assert l1.low < differences.mean() < l1.high < 0
    assert l1.p == 2 / 2**12  # all clips agree
    assert (psnr.pairs, psnr.left_out_a, psnr.left_out_b) == (35, {}, {"infinite": 1})
    assert psnr.mean_a == pytest.approx(np.mean(one["psnr"][1:]))
    assert psnr.p is not None
    assert psnr.p > 0.05
    assert (l1.p_holm, psnr.p_holm) == (2 * l1.p, psnr.p)  # Holm: the smaller p of two counts double
    assert [paired.metric for paired in compare(a, b, ["psnr"])] == ["psnr"]


def test_the_comparison_the_other_way_round_is_the_same_with_other_signs(run: Callable[..., Run]) -> None:
    one = {"l1": noise(1, 0.2), "prmse@global": noise(5, 9)}
    other = {"l1": noise(3, 0.205), "prmse@global": noise(6, 9.01)}
    a, b = run("a", values=one), run("b", values=other)

    def numbers(paired: Paired) -> list[float | None]:
        return [paired.difference, paired.low, paired.high, paired.p, paired.p_holm]

    forth = compare(a, b)
    for there, back in zip(forth, compare(b, a), strict=True):
        difference, low, high, *p = numbers(back)
        assert None not in (difference, low, high)
        assert numbers(there) == pytest.approx([-(difference or 0), -(high or 0), -(low or 0), *p], abs=1e-12)
    assert forth[1].difference == pytest.approx(
        math.sqrt(np.mean(one["prmse@global"])) - math.sqrt(np.mean(other["prmse@global"]))
    )


def test_a_pair_that_a_list_has_twice_is_two_pairs(run: Callable[..., Run]) -> None:
    def doubled(made: Run) -> Run:
        assert made.rows is not None
        return Run(made.record, made.summary, made.rows.assign(driving_clip="c", driving_index=0))

    a, b = (doubled(run(name, values={"l1": values})) for name, values in (("a", [1, 2, 3]), ("b", [2, 4, 6])))
    (paired,) = compare(a, b)
    assert (paired.pairs, paired.clusters, paired.difference, paired.p) == (3, 1, -2, 1)


def test_whole_sets_are_compared_without_a_test(run: Callable[..., Run]) -> None:
    fid: dict[str, object] = {
        "name": "fid", "version": 1, "direction": "lower", "backend": "torch", "aggregation": "set",
    }  # fmt: skip
    runs = []
    for name, mean in (("a", 10.0), ("b", 12.5)):
        made = run(name, specs=[*SPECS, fid], values={"l1": noise(1, 0.2), "fid": ["in-set"] * 36})
        metrics = [found.model_copy(update={"mean": mean}) for found in made.summary.metrics if found.metric == "fid"]
        runs.append(Run(made.record, made.summary.model_copy(update={"metrics": tuple(metrics)}), made.rows))
    paired = compare(*runs)[1]
    assert (paired.mean_a, paired.mean_b, paired.difference) == (10, 12.5, -2.5)
    assert (paired.pairs, paired.clusters, paired.low, paired.p, paired.p_holm) == (36, 0, None, None, None)
    assert rank_intervals(runs, "fid") == {}


def test_what_cannot_be_compared_is_refused(run: Callable[..., Run]) -> None:
    a = run("a", values={"l1": noise(1, 0.2), "psnr": noise(2, 20)})

    def refused(other: Run, *metrics: str) -> str:
        with pytest.raises(TalkbenchError) as refusal:
            compare(a, other, metrics)
        return str(refusal.value)

    assert "is given twice" in refused(a)
    assert "tiny and other" in refused(run("b", values={"l1": noise(1, 0.2)}, dataset={"name": "other"}))
    crossed = run("b", values={"l1": noise(1, 0.2)}, dataset={"task": "cross-identity"})
    assert "same-identity and cross-identity" in refused(crossed)
    assert "no metric in common" in refused(run("b", values={"prmse@global": noise(1, 9)}))
    other = run("b", values={"l1": noise(1, 0.2), "psnr": noise(2, 20)})
    assert "did you mean psnr?" in refused(other, "psnrr")
    lost = run("b", values={"l1": ["no-face-generated"] * 36})
    assert "no pair with a value in both" in refused(lost)
    assert "has no rows" in refused(Run(other.record, other.summary))


def test_unlike_protocols_are_refused_unless_told_and_then_marked(run: Callable[..., Run]) -> None:
    a = run("a", values={"l1": noise(1, 0.2), "psnr": noise(2, 20)})
    b = run("b", values={"l1": noise(3, 0.3), "psnr": noise(4, 21)}, dataset={"motion": "relative-first"})
    with pytest.raises(TalkbenchError, match=r"l1, psnr: not of one protocol .*absolute / relative-first"):
        compare(a, b)
    found = compare(a, b, across_protocols=True)
    assert [paired.departures for paired in found] == [("motion: absolute / relative-first",)] * 2
    newer = [SPECS[0], {**SPECS[1], "version": 2}]
    c = run("c", specs=newer, values={"l1": noise(3, 0.3), "psnr": noise(4, 21)})
    assert compare(a, c, ["l1"])[0].departures == ()
    with pytest.raises(TalkbenchError, match=r"psnr: not of one protocol .version: 1 / 2"):
        compare(a, c)


def test_methods_that_a_test_cannot_separate_share_a_rank(run: Callable[..., Run]) -> None:
    runs = [
        run(name, values={"l1": noise(seed, mean)})
        for seed, (name, mean) in enumerate([("good", 0.1), ("also good", 0.101), ("bad", 0.2), ("worst", 0.4)])
    ]
    lost = run("lost", values={"l1": ["no-face-generated"] * 36})
    without = run("without", values={"psnr": noise(1, 20)})
    ranks = rank_intervals([*runs, lost, without], "l1")
    assert list(ranks) == [made.record.run_id for made in runs]
    assert list(ranks.values()) == [(1, 2), (1, 2), (3, 3), (4, 4)]
    upwards = [{**SPECS[0], "direction": "higher"}]
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
