"""The table of docs/scale.md, from a table of `bench perf`: ``python docs/scale.py docs/scale.csv``.

What a run costs besides its method was measured once, on what docs/scale.md says; the constants are those figures.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

METRICS = 12
ROW = 11.0
"""Bytes of a row on disk, in the one part that a run leaves."""

FEATURE = 987.0
"""Bytes of a frame's 68 landmarks in the feature cache, with its indices."""

VIDEO = 3e6
"""Bytes of a clip of 250 frames of 256 pixels in H.264; assumed."""

LOGGED = 0.00014
"""Seconds of MLflow for a value of a pair."""

ENTRY = 34.0 / 500, 13.0 / 500
"""Seconds of a core for an entry of a board of 500, with 100 people: when it is built first, and again."""

GPU = 20.0
"""TFLOP/s that a GPU is assumed to keep up in these networks."""


@dataclass(frozen=True)
class Size:
    """So many methods on so many data sets of so many pairs, whose frames are those of so many clips."""

    name: str
    methods: int
    sets: int
    pairs: int
    clips: int

    @property
    def frames(self) -> int:
        """Frames to generate."""
        return self.methods * self.sets * self.pairs


SIZES = (
    Size("10 methods × 5 sets × 2083 pairs", 10, 5, 2083, 5 * 500),
    Size("1000 methods × 5 sets × 2083 pairs", 1000, 5, 2083, 5 * 500),
    Size("1 method × 10⁶ clips of 250 frames", 1, 1, 250_000_000, 1_000_000),
)


def methods_of(path: Path) -> list[dict[str, str]]:
    """The rows of a table of `bench perf` that have a cost, of the precision and the batch of the first."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["reason"]]
    return [row for row in rows if all(row[name] == rows[0][name] for name in ("mode", "batch_size", "device"))]


def costs(size: Size, rows: list[dict[str, str]]) -> list[str]:
    """The cells of a size: arithmetic, hours, storage, network and the board."""
    work = size.frames * mean(float(row["gflop_frame"]) for row in rows) / 1e6  # PFLOP
    seconds = size.frames * mean(float(row["ms_frame"]) for row in rows) / 1000
    values = size.frames * METRICS
    first, again = (duration(of_entry * size.methods * size.sets) for of_entry in ENTRY)
    return [
        size.name,
        short(size.frames),
        f"{short(work)} PFLOP",
        duration(seconds),
        duration(work / (GPU / 1000)),
        data(values * ROW),
        data(FEATURE * min(size.frames, 2 * size.sets * size.pairs)),
        data(VIDEO * size.clips),
        duration(values * LOGGED),
        f"{first}, {again}",
    ]


def short(number: float) -> str:
    """Two digits that count: ``1.2 M``."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= 0.9995 * unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"


def duration(seconds: float) -> str:
    """``5.7 min``."""
    for unit, name in ((86400.0 * 365, "years"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{short(seconds / unit)} {name}"
    return f"{short(seconds)} s"


def data(size: float) -> str:
    """Bytes: ``1.2 GB``."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.2g} {name}" if size < 100 * unit else f"{size / unit:.0f} {name}"
    return f"{size / 1e3:.0f} kB"


HEADINGS = (
    "",
    "frames",
    "arithmetic",
    "one core, measured",
    f"a GPU at {GPU:g} TFLOP/s, assumed",
    f"rows of {METRICS} metrics",
    "features of an extractor",
    "clips",
    "MLflow",
    "board, first and again",
)


def table(rows: list[dict[str, str]]) -> Iterable[str]:
    """The lines of the table, in Markdown."""
    columns = list(zip(HEADINGS, *(costs(size, rows) for size in SIZES), strict=True))
    yield "| " + " | ".join(columns[0]) + " |"
    yield "|---" * len(columns[0]) + "|"
    for column in columns[1:]:
        yield "| " + " | ".join(column) + " |"


if __name__ == "__main__":
    print("\n".join(table(methods_of(Path(sys.argv[1])))))
