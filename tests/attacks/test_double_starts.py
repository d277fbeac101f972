"""A sample of the double starts of `double_starts`, which says how to run all of them."""

import os
import subprocess
import sys
from pathlib import Path

from attacks import double_starts


def test_a_double_start_loses_nothing() -> None:
    """In a process of its own, which has done nothing else, since it forks."""
    chosen = ["run:0", "run:1", "run:4", "prepare:0", "train:1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, double_starts.__file__, *chosen]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(f"tried {len(chosen)}, clean {len(chosen)}, bad 0\n")
