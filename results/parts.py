"""Tables that grow while a run goes on: numbered Parquet parts of one folder, each written atomically."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa


class Parts:
    """``part-00000.parquet`` … in `folder`, which need not exist yet.

    Args:
        schema: makes the columns; called when they are needed, since pyarrow is slow to import.
    """

    def __init__(self, folder: Path, schema: Callable[[], pa.Schema]) -> None:
        self.folder, self._schema = folder, schema
        self._next: int | None = None

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add `rows` as one new part, nothing if there are none; an unwritable folder raises `TalkbenchError`."""
        if not rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._next is None:
            self._next = max((int(path.stem.removeprefix("part-")) for path in self.paths()), default=-1) + 1
        table = pa.Table.from_pylist(rows, schema=self._schema())
        with atomic_path(self.folder / f"part-{self._next:05d}.parquet") as temporary:
            pq.write_table(table, temporary)
        self._next += 1

    def paths(self) -> list[Path]:
        """The finished parts in their order; temporary files, whose names start with a dot, are left out."""
        return sorted(self.folder.glob("part-[0-9]*.parquet"))

    def tables(self, remedy: str) -> list[pa.Table]:
        """The parts in their order; a damaged one raises as `read_table`."""
        return [read_table(path, self._schema(), remedy) for path in self.paths()]


def read_table(path: Path, schema: pa.Schema, remedy: str) -> pa.Table:
    """A Parquet file with these columns.

    Raises:
        TalkbenchError: it is damaged or has other columns; the line ends with the `remedy`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path.absolute()) as file:  # pyarrow takes a relative a:b/file for a URL
            table = file.read()
        if not table.schema.equals(schema):
            raise pa.ArrowInvalid("it has other columns")
        return table
    except (pa.ArrowException, OSError) as error:
        raise TalkbenchError(f"{path} is damaged ({str(error).splitlines()[0]}); {remedy}") from error
