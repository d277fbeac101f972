"""Where files live: the cache folder, and paths from lists kept inside their root."""

from __future__ import annotations

import os
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
