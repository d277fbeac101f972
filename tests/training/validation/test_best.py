"""Which validation is the best, and when patience ends."""

import math

import numpy as np
import pytest

from talkbench import metrics
from talkbench.training.validation.best import Best
from talkbench.training.validation.scores import Values


def values(value: float, missing: int = 0) -> Values:
    return Values(np.array([value]), np.ones(1), missing)


@pytest.mark.parametrize(("name", "better"), [("l1", [True, False, True, False]), ("psnr", [True, True, False, False])])
def test_better_is_what_the_metric_says(name: str, better: list[bool]) -> None:
    best = Best(metrics.create(name), "", None)
    assert [best.improves(values(value), step) for step, value in enumerate((5, 6, 3, 3))] == better
    assert (best.value, best.step) == ((3, 2) if name == "l1" else (6, 1))


def test_fewer_missing_faces_come_before_the_value() -> None:
    best = Best(metrics.create("l1"), "", None)
    steps = [(2.0, 3), (9.0, 1), (1.0, 2), (8.0, 1)]
    assert [best.improves(values(*each), step) for step, each in enumerate(steps)] == [True, True, False, True]
    assert (best.value, best.missing, best.step) == (8, 1, 3)


def test_a_validation_without_a_value_is_never_the_best() -> None:
    best = Best(metrics.create("l1"), "", 2)
    assert not best.improves(values(math.nan), 1)
    assert not best.over
    assert not best.improves(values(math.nan), 2)
    assert best.over
    assert best.end() == "stopped early, after 2 validations without any value of l1"
    assert best.improves(values(3), 3)
    assert not best.over


def test_patience_counts_from_the_best_on() -> None:
    best = Best(metrics.create("l1"), "", 2)
    over = []
    for step, value in enumerate((3, 4, 2, 2, 5)):
        best.improves(values(value), step)
        over.append(best.over)
    assert over == [False, False, False, False, True]
    assert best.end() == "stopped early, after 2 validations without a better l1 than 2 of step 2 (patience)"


def test_the_state_is_restored_but_for_other_pairs() -> None:
    best, said = Best(metrics.create("l1"), "a 1", 2), []
    best.improves(values(0.1 + 0.2), 4)
    best.improves(values(1), 5)
    again = Best(metrics.create("l1"), "a 1", 2)
    again.restore(best.state(), said.append)
    assert again.state() == best.state()
    assert said == []
    for other, state in (
        (Best(metrics.create("l1"), "a 2", 2), best.state()),
        (Best(metrics.create("psnr"), "a 1", 2), best.state()),
        (Best(metrics.create("l1"), "a 1", 2), 0.03),  # of a state that is older
    ):
        other.restore(state, said.append)
        assert math.isnan(other.value)
    assert said == ["the validation pairs are not those of before, so the next validation counts as the best"] * 3
    for nothing in (math.inf, Best(metrics.create("l1"), "", 2).state()):  # there had been no best
        again.restore(nothing, said.append)
    assert len(said) == 3
