"""Tables that grow while a run goes on: numbered Parquet parts of one folder, each written atomically."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 2**17
"""Rows that are written, and turned into plain text for that, at a time."""


class Parts:
    """``part-00000.parquet`` … in `folder`, which need not exist yet.

    Args:
        schema: makes the columns; called when they are needed, since pyarrow is slow to import.

    Attributes:
        held: whether `append` waits for `flush`; else it writes at once.
        pending: bytes of what waits to be written.
    """

    def __init__(self, folder: Path, schema: Callable[[], pa.Schema]) -> None:
        self.folder, self._schema = folder, schema
        self.held, self.pending = False, 0
        self._next: int | None = None
        self._waiting: list[pa.Table] = []

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add `rows`, as one new part unless they are `held`; an unwritable folder raises `TalkbenchError`."""
        if not rows:
            return
        import pyarrow as pa

        self._waiting.append(pa.Table.from_pylist(rows, schema=self._schema()))
        self.pending += self._waiting[-1].nbytes
        if not self.held:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one new part, nothing if there is nothing; raises as `append`, and then it waits on."""
        if not self._waiting:
            return
        import pyarrow as pa

        if self._next is None:
            self._next = max((int(path.stem.removeprefix("part-")) for path in self.paths()), default=-1) + 1
        self._write(self._next, pa.concat_tables(self._waiting))
        self._next += 1
        self._waiting, self.pending = [], 0

    def compact(self, remedy: str) -> None:
        """Make one part of all that are written.

        The new one takes the place of the first before the others go, so what a killed process leaves has all rows, and
        some of them twice. Raises as `append` and `table`.
        """
        if len(paths := self.paths()) > 1:
            self._write(0, self.table(remedy))
            for path in paths:
                if path.name != _name(0):
                    path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """The finished parts in their order; temporary files, whose names start with a dot, are left out."""
        return sorted(self.folder.glob("part-[0-9]*.parquet"))

    def table(self, remedy: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of all parts in their order, texts as dictionaries; a damaged part raises as `read_table`.

        Args:
            columns: names; None: all.
        """
        import pyarrow as pa

        schema = pa.schema([_coded(field) for field in self._schema() if columns is None or field.name in columns])
        tables = [schema.empty_table(), *self.tables(remedy, columns)]
        return pa.concat_tables(tables).unify_dictionaries()

    def tables(self, remedy: str, columns: Sequence[str] | None = None) -> list[pa.Table]:
        """The parts in their order, as `table` gives them all together."""
        paths, schema = self.paths(), self._schema()
        while True:
            try:
                return [read_table(path, schema, remedy, columns) for path in paths]
            except TalkbenchError:
                now = self.paths()
                if set(paths) <= set(now):
                    raise
                paths = now  # another process has made one part of them meanwhile

    def _write(self, number: int, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        schema = self._schema()
        with atomic_path(self.folder / _name(number)) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for start in range(0, len(table), GROUP):
                writer.write_table(table.slice(start, GROUP).cast(schema))


def _name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _coded(field: pa.Field) -> pa.Field:
    import pyarrow as pa

    return field.with_type(pa.dictionary(pa.int32(), pa.string())) if pa.types.is_string(field.type) else field


def read_table(path: Path, schema: pa.Schema, remedy: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file with the columns of `schema`, texts as dictionaries.

    Args:
        columns: names of those to read; None: all.

    Raises:
        TalkbenchError: it is damaged or has other columns; the line ends with the `remedy`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    try:
        # pyarrow takes a relative a:b/file for a URL
        with pq.ParquetFile(path.absolute(), read_dictionary=texts) as file:
            if not pa.schema(map(_coded, schema)).equals(file.schema_arrow):
                raise pa.ArrowInvalid("it has other columns")
            return file.read(columns)
    except KeyError as error:  # one to be read as a dictionary
        raise TalkbenchError(f"{path} is damaged (it lacks the column {error.args[0].decode()}); {remedy}") from error
    except (pa.ArrowException, OSError) as error:
        raise TalkbenchError(f"{path} is damaged ({str(error).splitlines()[0]}); {remedy}") from error
