"""What is said of threads and cores."""

import pytest

from talkbench.training.threads import note, threads_note


@pytest.mark.parametrize(
    ("threads", "cores", "busy", "line"),
    [
        (1, 1, 0.0, "computing with 1 thread on 1 core"),
        (4, 8, 3.6, "computing with 4 threads on 8 cores"),
        (8, 8, 3.6, "computing with 8 threads on 8 cores, of which other work leaves 4: with OMP_NUM_THREADS=4 steps"),
        (2, 2, 9.0, "computing with 2 threads on 2 cores, of which other work leaves 0: with OMP_NUM_THREADS=1 steps"),
        (4, 2, -3.0, "computing with 4 threads on 2 cores, of which other work leaves 2: with OMP_NUM_THREADS=2 steps"),
    ],
)
def test_threads_without_a_core_are_named_with_the_remedy(threads, cores, busy, line):
    assert threads_note(threads, cores, busy).removesuffix(" may be faster") == line


def test_processes_share_the_cores():
    assert threads_note(8, 8, 4.0, processes=2).endswith("leaves 4: with OMP_NUM_THREADS=2 steps may be faster")
    assert threads_note(2, 2, 1.0, processes=2) == "computing with 2 threads on 2 cores"


def test_this_machine():
    assert note().startswith("computing with ")
