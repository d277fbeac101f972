"""A sample of the kills of `kills`, which says how to run all of them."""

import os
import subprocess
import sys
from pathlib import Path

from attacks import kills


def test_a_killed_command_ends_its_work_when_it_is_given_again() -> None:
    """In a process of its own, which has done nothing else, since it forks."""
    chosen = ["run:0", "run:2", "prepare:1", "train:0", "export:2", "cache:0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, kills.__file__, *chosen]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"tried {len(chosen)}, clean {len(chosen)}, bad 0\n")
