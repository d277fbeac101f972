"""Where files live: the cache folder, paths from lists kept inside their root, the checkout that the code is from."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from talkbench.core.errors import TalkbenchError


def home() -> Path:
    """The cache folder: ``TALKBENCH_HOME``, else the platform's user cache."""
    chosen = os.environ.get("TALKBENCH_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("talkbench")


def inside(root: Path, relative: str) -> Path:
    """`root` / `relative`, refused if it leads outside `root` (``..``, absolute paths, links)."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise TalkbenchError(f"path {relative!r} leaves the data root {root}; use paths below it")
    return path


@cache
def commit() -> tuple[str, bool] | None:
    """The commit of the checkout that this package runs from, and whether there are changes not committed; None outside
    a checkout, and where git cannot be asked. Git is asked once: what a process runs it has imported by then."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return None
