"""The files of the checkout."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tree() -> list[Path]:
    """The files that belong to the checkout, tracked by git or about to be, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
