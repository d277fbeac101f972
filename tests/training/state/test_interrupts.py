"""Signals that end a training, and whom they leave alone."""

import signal
from collections.abc import Iterator

import pytest

from talkbench.core.errors import Terminated
from talkbench.training.state.interrupts import OTHERS, end_by, held_back, terminable

ALL = (signal.SIGINT, *OTHERS)


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Whatever a test leaves behind is put back; before that it has to be as it was."""
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    after = {number: signal.getsignal(number) for number in ALL}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


@pytest.mark.parametrize("number", ALL)
def test_the_first_signal_is_held_back(number: int) -> None:
    with held_back() as interrupted:
        assert interrupted() == 0
        signal.raise_signal(number)
        assert interrupted() == number


def test_a_second_ctrl_c_interrupts_but_others_may_come_twice() -> None:
    with held_back() as interrupted:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert interrupted() == signal.SIGTERM
    with held_back():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signals_that_are_ignored_or_handled_stay_so() -> None:
    came = []
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    with held_back() as interrupted, terminable():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert (interrupted(), came) == (0, [1])
    signal.signal(signal.SIGINT, kept[0])
    signal.signal(signal.SIGTERM, kept[1])


def test_outside_of_the_loop_others_end_at_once_and_the_end_has_its_time() -> None:
    with terminable():
        with pytest.raises(Terminated, match="SIGTERM") as end:
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert end.value.number == signal.SIGTERM


def test_after_the_loop_the_end_is_not_disturbed() -> None:
    with terminable():
        with held_back():
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)


def test_a_training_ends_by_the_exception_of_its_signal() -> None:
    assert type(end_by(signal.SIGINT)) is KeyboardInterrupt
    assert isinstance(end_by(signal.SIGTERM), KeyboardInterrupt)
    assert str(end_by(signal.SIGTERM)) == "SIGTERM"
