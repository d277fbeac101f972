"""Ranks and intervals of a board's columns, kept between builds by the hash of all that they follow from.

They lie in ``leaderboard`` in the cache folder (`core.paths.home`), a JSON file for a column, and may be deleted at any
time. What cannot be read or written there costs time alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import sha256_bytes, write_all
from talkbench.core.paths import home
from talkbench.reports import statistics
from talkbench.reports.statistics.intervals import Interval
from talkbench.results import summary

if TYPE_CHECKING:
    from talkbench.reports.runs import Run

BOUND = 64 * 2**20
"""Bytes of all files together; beyond it the ones used longest ago are deleted."""

Ranks = dict[str, tuple[int, int]]


def people_of(runs: Iterable[Run]) -> str:
    """A hash of what the clips in the pairs of some runs are clustered by."""
    people: dict[str, str] = {}
    for run in runs:
        rows = run.pair_rows()
        clips = {*rows["source_clip"].unique(), *rows["driving_clip"].unique()} - people.keys()
        people |= {clip: run.cluster(clip) for clip in clips}
    return sha256_bytes(json.dumps(sorted(people.items())).encode())


def key_of(facts: object) -> str:
    """The name of what follows from some facts, which JSON can hold, and from the code here."""
    return sha256_bytes(json.dumps([_code(), facts]).encode())


def recall(key: str, numbers: int) -> tuple[Ranks, list[Interval | None]] | None:
    """The ranks, and the intervals of so many `numbers`, that were kept under a name; None if there are none."""
    path = _folder() / f"{key}.json"
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        ranks = {name: (int(best), int(worst)) for name, (best, worst) in content["ranks"].items()}
        bounds = [
            None if ends is None else Interval(float(ends[0]), float(ends[1]), tuple(map(int, ends[2])))
            for ends in content["intervals"]
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    with suppress(OSError):
        os.utime(path)
    return (ranks, bounds) if len(bounds) == numbers else None


def keep(key: str, ranks: Mapping[str, tuple[int, int]], bounds: Sequence[Interval | None]) -> None:
    """Keep the ranks and intervals of a column."""
    ends = [None if interval is None else (interval.low, interval.high, interval.clusters) for interval in bounds]
    content = json.dumps({"ranks": dict(ranks), "intervals": ends})
    with suppress(OSError, TalkbenchError):
        write_all(_folder(), {f"{key}.json": content.encode()})
        _make_room()


def _make_room() -> None:
    files = sorted(((path.stat().st_mtime_ns, path) for path in _folder().glob("*.json")), reverse=True)
    size = 0
    for _, path in files:
        size += path.stat().st_size
        if size > BOUND:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    return home() / "leaderboard"


@cache
def _code() -> str:
    """A hash of the code that the numbers follow from, with the libraries that they are computed with."""
    assert statistics.__file__
    modules = [*sorted(Path(statistics.__file__).parent.glob("*.py")), Path(summary.__file__)]
    libraries = [f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas")]
    return sha256_bytes(b"".join(path.read_bytes() for path in modules) + "".join(libraries).encode())
