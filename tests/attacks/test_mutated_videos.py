"""A sample of the attacks with spoilt videos; CONTRIBUTING.md says how to run all of them."""

import os
import subprocess
import sys
from pathlib import Path

from attacks import mutated_videos


def test_spoilt_videos_are_read_or_refused() -> None:
    """In a process of its own, which has little else in its memory, since it forks."""
    command = [sys.executable, mutated_videos.__file__, "--videos", "12"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("videos: 12 tried, 12 clean (")
    assert "refused" in result.stdout
