"""What `bench perf` measured now against what it measured before, by the tables of then."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from talkbench.core.errors import TalkbenchError

OF_CODE = ("torch", "talkbench")
"""The columns of a setting in which the two measurements may differ."""
TIMES = ("ms_frame", "ms_cold", "ms_step", "ms_64")
"""The times of methods, of a training step, and of metrics."""

Stored = tuple[str, Mapping[str, str]]
"""A row of a table, and the name of the table's file."""


@dataclass(frozen=True)
class Ratio:
    """A time now and before, of one setting.

    Attributes:
        setting: in words, what both have in common: method, mode, batch size, and so on.
        time: the column that is compared.
        ratio: how many times as fast it is now.
        table: file name of the table of then; `talkbench` and `torch` are the versions that it was measured with.
    """

    setting: str
    time: str
    before: float
    now: float
    ratio: float
    table: str
    talkbench: str
    torch: str


def stored_rows(folder: Path) -> list[Stored]:
    """The rows with a cost in the tables of `bench perf` in `folder`, the tables by name.

    Raises:
        TalkbenchError: the folder does not exist, holds no such table, or one with a time that is no number.
    """
    if not folder.is_dir():
        raise TalkbenchError(f"--against {folder} is not a folder; give the one that holds tables of bench perf")
    rows: list[Stored] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            table = [row for row in csv.DictReader(file) if any(row.get(time) for time in TIMES)]
        for row in table:
            _check_times(path, row)
        rows += [(path.name, row) for row in table]
    if not rows:
        raise TalkbenchError(f"--against {folder} holds no table of bench perf with a time in it; give another folder")
    return rows


def _check_times(path: Path, row: Mapping[str, str]) -> None:
    for time in filter(row.get, TIMES):
        try:
            float(row[time])
        except ValueError as error:
            raise TalkbenchError(
                f"{path} is damaged: {time} is {row[time]!r:.40}; restore it or take it away"
            ) from error


def ratios(rows: Sequence[Any], stored: Sequence[Stored]) -> list[Ratio]:
    """The times of `rows` against those of the `stored` rows whose setting is the same, versions aside."""
    return [ratio for row in rows if row.cost for ratio in _of_row(row, stored)]


def _of_row(row: Any, stored: Sequence[Stored]) -> Iterator[Ratio]:
    setting = {name: str(value) for name, value in asdict(row.setting).items() if name not in OF_CODE}
    cost = asdict(row.cost)
    for table, before in stored:
        if any(before.get(name) != value for name, value in setting.items()):
            continue
        for time in TIMES:
            if cost.get(time) and before.get(time):
                then, now = float(before[time]), float(cost[time])
                words = ", ".join(f"{name} {value}" for name, value in setting.items() if value)
                versions = before.get("talkbench", ""), before.get("torch", "")
                yield Ratio(words, time, then, now, then / now, table, *versions)
