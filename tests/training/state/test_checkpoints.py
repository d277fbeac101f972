"""When a state is due."""

import pytest

from talkbench.training.state.checkpoints import SaveTimer


@pytest.mark.parametrize(
    ("minutes", "step", "saved"),
    [
        (5, 10, [50, 350, 650]),  # the step after these would end at the minute, or five of them later
        (5, 25, [50, 350, 650]),
        (0.5, 10, [30, 60, 90]),
        (5, 90, [90, 360, 630]),  # a step that is slower than a minute
        (5, 400, [400, 800, 1200]),
    ],
)
def test_a_state_is_never_older_than_that(minutes, step, saved):
    time = 0.0
    timer, found = SaveTimer(minutes, lambda: time), []
    while len(found) < 3:
        time += step
        if timer.due():
            found.append(time)
            timer.saved()
    assert found == pytest.approx(saved, abs=step)
    limits = [60 * min(minutes, 1), *[60 * minutes] * 2]
    ages = [found[0], found[1] - found[0], found[2] - found[1]]
    assert all(age <= max(limit, step) for age, limit in zip(ages, limits, strict=True))
