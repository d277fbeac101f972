"""Results are written in their order by one thread, and an error of it reaches the driver."""

import threading

import pytest

from talkbench.benchmark.engines.writer import WAITING, Writer


def test_in_order_and_all_of_them() -> None:
    written: list[int] = []
    with Writer(written.append) as writer:
        told = [result for number in range(10) for result in writer.put(number)]
        told += writer.finish()
    assert written == told == [*range(10)]


def test_the_driver_is_no_more_than_a_few_results_ahead() -> None:
    goes_on = threading.Event()
    with Writer(lambda _: goes_on.wait(10)) as writer:
        for number in range(WAITING + 1):
            assert writer.put(number) == []
        threading.Timer(0.05, goes_on.set).start()
        assert writer.put(WAITING + 1)[0] == 0  # which it has waited for
        assert goes_on.is_set()
        writer.finish()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_after_an_error_nothing_more_is_written(error: BaseException) -> None:
    written: list[int] = []

    def write(number: int) -> None:
        if number == 2:
            raise error
        written.append(number)

    with Writer(write) as writer, pytest.raises(type(error)):
        [*map(writer.put, range(10))]
    assert written == [0, 1]


def test_what_waits_is_written_when_the_driver_stops() -> None:
    written: list[int] = []

    def stop() -> None:
        with Writer(written.append) as writer:
            writer.put(0)
            writer.put(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert written == [0, 1]
