"""A sample of the double starts of `double_starts`, which says how to run all of them."""

import forked
from attacks import double_starts


def test_a_double_start_loses_nothing() -> None:
    """In a process of its own, which has done nothing else, since it forks."""
    chosen = ["run:0", "run:1", "run:4", "prepare:0", "train:1"]
    attacks = forked.start(double_starts.main, double_starts.attack, double_starts.ROUNDS, chosen)
    with attacks.printed as printed:
        said = printed.read()
    attacks.process.join(300)
    assert attacks.process.exitcode == 0, said
    assert said.endswith(f"tried {len(chosen)}, clean {len(chosen)}, bad 0\n")
