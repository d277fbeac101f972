"""Two runs beside each other: how they differ, and what is refused."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run
from talkbench.reports.statistics.paired import Paired, compare
from talkbench.reports.statistics.ranks import rank_intervals


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


def test_sources_and_driving_people_count_both_where_they_cross(run: Callable[..., Run]) -> None:
    """Six sources decide the difference, and the twelve driving people nothing."""

    def source(pair: int) -> int:
        return (pair + pair // 12) % 6

    one = noise(1, 0.2, 144)
    other = [value + (source(pair) - 2) / 10 for pair, value in enumerate(noise(2, 0.2, 144))]
    crossed, alike = ([run(name, values={"l1": v}, source=by) for name, v in (("a", one), ("b", other))]
                      for by in (source, None))  # fmt: skip
    ((paired,), (naive,)) = (compare(*runs) for runs in (crossed, alike))
    assert (paired.counts, paired.clusters, naive.counts) == ((6, 12), 6, (12,))
    assert paired.difference == pytest.approx(naive.difference)
    assert None not in (paired.low, paired.high, paired.p, naive.p)
    assert paired.low < 0 < paired.high
    assert paired.p > 0.05 > naive.p
    assert paired.people == naive.people == ()


def test_few_people_have_a_difference_each(run: Callable[..., Run]) -> None:
    roots = [1.0, 4.0, 9.0, 16.0], [1.0, 1.0, 25.0, 25.0]
    a, b = (run(name, clips=2, values={"prmse@global": v}) for name, v in zip("ab", roots, strict=True))
    (paired,) = compare(a, b)
    assert (paired.counts, paired.low, paired.p) == ((2,), None, 0.5)
    first, second = paired.people
    assert (first.role, first.name, first.pairs) == ("", "c0", 2)
    assert (first.mean_a, first.mean_b) == (math.sqrt(5), math.sqrt(13))
    assert second.difference == pytest.approx(math.sqrt(10) - math.sqrt(13))
    few = [run(name, values={"l1": noise(7, 0.2)}, source=lambda pair: pair % 4 // 2 + pair // 12) for name in "ab"]
    (paired,) = compare(*few)
    assert (paired.counts, paired.low, paired.p, paired.p_holm) == ((4, 12), None, None, None)
    assert {(person.role, person.name) for person in paired.people} == {("source", f"s{n}") for n in range(4)}


def test_a_pair_that_a_list_has_twice_is_two_pairs(run: Callable[..., Run]) -> None:
    def doubled(plain: Run) -> Run:
        assert plain.rows is not None
        return Run(plain.record, plain.summary, plain.rows.assign(source_clip="c", driving_clip="c", driving_index=0))

    a, b = (doubled(run(name, values={"l1": values})) for name, values in (("a", [1, 2, 3]), ("b", [2, 4, 6])))
    (paired,) = compare(a, b)
    assert (paired.pairs, paired.clusters, paired.difference, paired.p) == (3, 1, -2, 1)


def test_whole_sets_are_compared_without_a_test(run: Callable[..., Run], specs: list[dict[str, object]]) -> None:
    fid: dict[str, object] = {
        "name": "fid", "version": 1, "direction": "lower", "backend": "torch", "aggregation": "set",
    }  # fmt: skip
    runs = []
    for name, mean in (("a", 10.0), ("b", 12.5)):
        plain = run(name, specs=[*specs, fid], values={"l1": noise(1, 0.2), "fid": ["in-set"] * 36})
        metrics = [
            summary.model_copy(update={"mean": mean}) for summary in plain.summary.metrics if summary.metric == "fid"
        ]
        runs.append(Run(plain.record, plain.summary.model_copy(update={"metrics": tuple(metrics)}), plain.rows))
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


def test_unlike_protocols_are_refused_unless_told_and_then_marked(
    run: Callable[..., Run], specs: list[dict[str, object]]
) -> None:
    a = run("a", values={"l1": noise(1, 0.2), "psnr": noise(2, 20)})
    b = run("b", values={"l1": noise(3, 0.3), "psnr": noise(4, 21)}, dataset={"motion": "relative-first"})
    with pytest.raises(TalkbenchError, match=r"l1, psnr: not of one protocol .*absolute / relative-first"):
        compare(a, b)
    comparisons = compare(a, b, across_protocols=True)
    assert [paired.departures for paired in comparisons] == [("motion: absolute / relative-first",)] * 2
    newer = [specs[0], {**specs[1], "version": 2}]
    c = run("c", specs=newer, values={"l1": noise(3, 0.3), "psnr": noise(4, 21)})
    assert compare(a, c, ["l1"])[0].departures == ()
    with pytest.raises(TalkbenchError, match=r"psnr: not of one protocol .version: 1 / 2"):
        compare(a, c)
