"""How far two models agree that measure one thing."""

from collections.abc import Callable

import pytest

from talkbench.reports.runs import Run
from talkbench.reports.statistics.agreement import Agreement, agreements

AKD = [
    ("akd@pose-evaluation", "fan68@1"),
    ("akd@dlib68", "dlib68@1"),
    ("akd@mp68", "mp478@1"),
    ("akd@mp478", "mp478@1"),
]
SPECS: list[dict[str, object]] = [
    {"name": name, "version": 1, "direction": "lower", "backend": "x", "extractor": extractor}
    for name, extractor in (
        *AKD,
        ("nme@dlib68", "dlib68@1"),
        ("missing-face-rate@dlib", "dlib68@1"),
        ("missing-face-rate@mp", "mp478@1"),
    )
] + [{"name": "psnr", "version": 1, "direction": "higher", "backend": "x"}]

MakeRun = Callable[..., Run]


def of(run: Run) -> list[Agreement]:
    return agreements(run.record.metrics, run.pair_rows())


@pytest.fixture
def agree(run: MakeRun) -> Callable[..., Agreement]:
    """The agreement of two metrics with these values."""

    def make(first: list[float | str], second: list[float | str]) -> Agreement:
        (line,) = of(run("x", specs=SPECS, values={"akd@dlib68": first, "akd@mp68": second}))
        assert (line.first, line.second) == ("akd@dlib68", "akd@mp68")
        return line

    return make


def test_ranks_and_values_are_compared(agree: Callable[..., Agreement]) -> None:
    line = agree([1, 2, 3, 4], [1, 4, 9, 16])
    assert (line.pairs, line.problem) == (4, "")
    assert line.spearman == pytest.approx(1)
    assert line.pearson == pytest.approx(0.98437, abs=1e-5)
    assert agree([1, 2, 3], [3, 2, 1]).spearman == pytest.approx(-1)
    tied = agree([1, 1, 2], [1, 2, 3])
    assert tied.spearman == pytest.approx(3**0.5 / 2)
    assert tied.cells == ("3", "0.87", "0.87")


def test_only_pairs_with_both_values_count(agree: Callable[..., Agreement]) -> None:
    line = agree([1, "no-face-generated", 2, 3, 9], [2, 50, 4, 6, "no-face-target"])
    assert (line.pairs, line.spearman) == (3, pytest.approx(1))


@pytest.mark.parametrize(
    ("first", "second", "pairs", "problem"),
    [
        ([1, 2], [1, 2], 2, "fewer than 3 pairs have both values"),
        ([1, 2, 3], ["no-face-target"] * 3, 0, "fewer than 3 pairs have both values"),
        ([2, 2, 2], [1, 2, 3], 3, "akd@dlib68 has the same value for all of these pairs"),
        ([1, 2, 3], [0, 0, 0], 3, "akd@mp68 has the same value for all of these pairs"),
        ([1, 2, 3], [0.3, 0.1 + 0.2, 0.3], 3, "akd@mp68 has the same value for all of these pairs"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_not_defined_is_said(
    agree: Callable[..., Agreement], first: list[float], second: list[float], pairs: int, problem: str
) -> None:
    line = agree(first, second)
    assert line == Agreement("akd@dlib68", "akd@mp68", pairs, problem=problem)
    assert line.cells == (str(pairs), "–", "–")


def test_metrics_of_one_quantity_and_of_different_models_are_compared(run: MakeRun) -> None:
    values = {str(spec["name"]): [1.0, 2, 3] for spec in SPECS}
    lines = of(run("x", specs=SPECS, values=values))
    assert [(line.first, line.second) for line in lines] == [
        ("akd@pose-evaluation", "akd@dlib68"),
        ("akd@pose-evaluation", "akd@mp68"),
        ("akd@pose-evaluation", "akd@mp478"),
        ("akd@dlib68", "akd@mp68"),
        ("akd@dlib68", "akd@mp478"),
    ]


def test_a_run_without_rows_and_metrics_of_whole_sets(run: MakeRun) -> None:
    sets = [
        {"name": name, "version": 1, "direction": "lower", "backend": "x", "extractor": name, "aggregation": "set"}
        for name in ("fd@a", "fd@b")
    ]
    assert of(run("x", specs=sets, values={"fd@a": ["in-set"] * 3, "fd@b": ["in-set"] * 3})) == []
    (line,) = agreements(
        run("x", specs=SPECS, values={"akd@dlib68": [1.0], "akd@mp68": [1.0]}).record.metrics,
        run("y", specs=SPECS, values={"psnr": [1.0]}).pair_rows().iloc[:0],
    )
    assert line.pairs == 0
