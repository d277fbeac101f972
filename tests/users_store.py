"""The user's cache folder, of which tests read model files and nothing else; they write to one of their own."""

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from talkbench.core.paths import home

USERS, OWN = "TALKBENCH_USERS_HOME", "TALKBENCH_TESTS_HOME"
"""Variables with the user's cache folder and that of the tests; their processes inherit both."""


def separate() -> Path | None:
    """Make a cache folder for the tests, once for all processes; None: it is there."""
    if USERS in os.environ:
        return None
    os.environ[USERS] = str(home())
    os.environ[OWN] = os.environ["TALKBENCH_HOME"] = mkdtemp(prefix="talkbench-home-")
    return Path(os.environ[OWN])


def stored(path: str, command: str, part: str = "metrics") -> Path:
    """A file of the user's store of model files.

    Args:
        path: in the part of the store.
        command: what brings it there.
        part: that of the metrics' files, or ``data``.
    """
    file = Path(os.environ[USERS]) / "weights" / part / path
    assert file.is_file(), f"the tests need {file}: {command}"
    return file


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
