"""The table of `bench perf`: a CSV with a row for each setting, written as the rows come."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.core.locks import SHORT, locked

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def csv_name(device: str, modes: Sequence[str]) -> str:
    """``nvidia-h200-float32-bf16-0.1.0.csv``: device, precisions and talkbench's version."""
    plain = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return f"{plain}-{'-'.join(modes)}-{version('talkbench')}.csv"


class CostTable:
    """A CSV with a row for each setting. It is written after each row; its rows of other settings stay.

    Args:
        path: the file.
        columns: the fields of a row's setting and of its cost, and the other fields of the row.
        key: the columns that tell one setting from another.

    Raises:
        TalkbenchError: the file holds something else, or cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], key: Sequence[str]) -> None:
        self.path, self.columns, self.key = path, columns, key
        self._write({})  # a file that cannot be written should be known before hours of work

    def add(self, row: DataclassInstance) -> None:
        """Add a row that has a `setting` and may have a `cost`, in place of the row of the same setting, and write."""
        others = asdict(row)
        values = {**others.pop("setting"), **(others.pop("cost") or {}), **others}
        cells = dict.fromkeys(self.columns, "") | {name: _text(value) for name, value in values.items()}
        self._write({self._name(cells): cells})

    def _name(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(cells[name] for name in self.key)

    def _write(self, rows: Mapping[tuple[str, ...], Mapping[str, str]]) -> None:
        """Write `rows` beside those of the file, to which other processes may have added some."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        with locked(self.path.parent, "is writing a table to", SHORT, name=f".{self.path.name}.lock", left=False):
            writer.writerows({**self._read(), **rows}.values())
            write_atomic(self.path, text.getvalue())

    def _read(self) -> dict[tuple[str, ...], Mapping[str, str]]:
        if not self.path.exists():
            return {}
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        if tuple(reader.fieldnames or ()) != tuple(self.columns):
            raise TalkbenchError(f"{self.path} is not a table of bench perf; name another file with --out")
        return {self._name(row): row for row in rows}


def _text(value: object) -> str:
    """The text of a cell: floats with six digits, None as nothing."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def fill(
    table: CostTable, settings: Sequence[tuple[str, str, int]], one: Callable[[str, str, int], R], progress: Progress
) -> list[R]:
    """Make the row of each of the `settings` with `one`, add it to the `table` at once, and return the rows."""
    rows = []
    progress.start(0, len(settings))
    for setting in settings:
        rows.append(one(*setting))
        table.add(rows[-1])
        progress.advance(1)
    return rows


def first_line(error: Exception) -> str:
    """The kind and the first line of an error, for a cell of a table."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
