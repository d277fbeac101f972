"""A sample of the kills of `kills`, which says how to run all of them."""

import forked
from attacks import kills


def test_a_killed_command_ends_its_work_when_it_is_given_again() -> None:
    """In a process of its own, which has done nothing else, since it forks."""
    chosen = ["run:0", "run:2", "prepare:1", "train:0", "export:2", "cache:0"]
    attacks = forked.start(kills.main, kills.attack, kills.ROUNDS, chosen)
    with attacks.printed as printed:
        said = printed.read()
    attacks.process.join(300)
    assert attacks.process.exitcode == 0, said
    assert said.endswith(f"tried {len(chosen)}, clean {len(chosen)}, bad 0\n")
