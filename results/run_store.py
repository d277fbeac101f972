"""A run's folder: ``run.json``, ``rows/part-00000.parquet`` ..., ``summary.json``; every file written atomically.

While a run goes on its rows are written by time and size (`RunStore.gathering`), at its end they become one part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, write_atomic
from talkbench.results.content import ContentStore
from talkbench.results.parts import Parts, read_table
from talkbench.results.record import RunRecord
from talkbench.results.rows import Row, Summary
from talkbench.results.strict import parse_json

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

CONTINUE = "delete it and continue the run with --resume"

SECONDS, BYTES = 10.0, 64 * 2**20
"""After so long, or with so much in memory, gathered rows are written: a process that is killed loses no more work."""

Features = tuple[int, Sequence[int], Sequence["np.ndarray"]]
"""The first pair of a batch, the pairs, and the features of their generated and of their target frames."""


class RunStore:
    """The files of one run below `folder`, which need not exist yet.

    Attributes:
        contents: what its frames decode to.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.contents = ContentStore(self.folder)
        self._parts = Parts(self.folder / "rows", _arrow_schema)
        self._features: dict[str, list[Features]] = {}
        self._size = 0  # of these, in bytes
        self._written = monotonic()

    def write_record(self, record: RunRecord) -> None:
        """Write ``run.json``; an unwritable folder raises `TalkbenchError`, as in all writers here."""
        write_atomic(self.folder / "run.json", record.to_json())

    def read_record(self) -> RunRecord:
        """The record.

        Raises:
            TalkbenchError: the folder holds no run, or a damaged or newer ``run.json``.
        """
        return parse_json(RunRecord, self._read("run.json"), str(self.folder / "run.json"))

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """In this block contents, features and rows wait in memory, for `SECONDS` or up to `BYTES` since they were last
        written, and are written at its end however it ends."""
        self._hold(True)
        try:
            yield
        finally:
            self._hold(False)
            self.flush()

    def _hold(self, held: bool) -> None:
        self._parts.held = self.contents.parts.held = held
        self._written = monotonic()

    @property
    def pending(self) -> bool:
        """Whether there are rows that wait to be written."""
        return self._parts.pending > 0

    def append(self, rows: Sequence[Row]) -> None:
        """Add `rows`. Pass all rows of a pair at once, after its contents and features: a pair with any row counts as
        done."""
        self._parts.append([row.model_dump() for row in rows])
        size = self._parts.pending + self.contents.parts.pending + self._size
        if monotonic() - self._written >= SECONDS or size >= BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits, rows last."""
        self.contents.parts.flush()
        for key, kept in self._features.items():
            self._write_features(key, kept)
        self._features, self._size = {}, 0
        self._parts.flush()
        self._written = monotonic()

    def compact(self) -> None:
        """Turn the parts of a run that has ended into one."""
        self.contents.parts.compact(CONTINUE)
        self._parts.compact(CONTINUE)

    def append_features(self, key: str, first: int, numbers: Sequence[int], arrays: Sequence[np.ndarray]) -> None:
        """Keep what a metric of whole sets compares: features (N, D) of the generated and of the target frames of the
        pairs `numbers`.

        Call it before `append`, with which they are written. What a killed run left of pairs without rows goes with
        `forget_features`.

        Args:
            key: names the features.
            first: the first pair of the batch.
        """
        self._features.setdefault(key, []).append((first, numbers, arrays))
        self._size += sum(array.nbytes for array in arrays)
        if not self._parts.held:
            self.flush()

    def _write_features(self, key: str, kept: Sequence[Features]) -> None:
        import numpy as np

        firsts, numbers, arrays = zip(*kept, strict=True)
        generated, target = (np.concatenate(parts) for parts in zip(*arrays, strict=True))
        path = self.folder / "features" / key / f"{firsts[0]:06d}.npz"
        _save_features(path, np.concatenate(numbers), generated, target)

    def forget_features(self, done: AbstractSet[int]) -> None:
        """Delete the features of pairs that a killed run has not finished, which are not `done`."""
        import numpy as np

        for path in (self.folder / "features").glob("*/[0-9]*.npz"):
            numbers, generated, target = _read_features(path)
            kept = np.isin(numbers, list(done))
            if not kept.any():
                path.unlink()
            elif not kept.all():
                _save_features(path, numbers[kept], generated[kept], target[kept])

    def features(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """What `append_features` kept, in the order of the pairs: generated and target, (N, D) each.

        Raises:
            TalkbenchError: a file is damaged.
        """
        import numpy as np

        parts = [_read_features(path) for path in sorted((self.folder / "features" / key).glob("[0-9]*.npz"))]
        if not parts:
            return np.empty((0, 0)), np.empty((0, 0))
        numbers, generated, target = (np.concatenate(column) for column in zip(*parts, strict=True))
        _, order = np.unique(numbers, return_index=True)  # as for `rows`, a pair that is there twice counts once
        return generated[order], target[order]

    def rows(self) -> pd.DataFrame:
        """All rows sorted by pair and metric, with the columns of `Row`; a missing value is NaN.

        Equal rows of one pair and metric, which two processes have left that once wrote at the same time, are one.

        Raises:
            TalkbenchError: a part is damaged, or a pair has two different rows of one metric.
        """
        table = self._parts.table(CONTINUE).combine_chunks()
        key = _places(table)
        if not (key[:-1] <= key[1:]).all():
            order = key.argsort(kind="stable")
            table, key = table.take(order), key[order]
        twice = bool((key[:-1] == key[1:]).any())
        del key
        frame = table.cast(_arrow_schema()).to_pandas(split_blocks=True)
        return self._without_copies(frame) if twice else frame

    def _without_copies(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows, equal ones once; raises `TalkbenchError` for different ones of a pair and a metric."""
        frame = frame.drop_duplicates([name for name in frame.columns if name != "message"], ignore_index=True)
        unequal = frame[frame.duplicated(["pair", "metric"], keep=False)]
        if len(unequal):
            pair, metric = unequal["pair"].iloc[0], unequal["metric"].iloc[0]
            first, second = (_value(row) for row in unequal.iloc[:2].to_dict("records"))
            raise TalkbenchError(
                f"pair {pair} has two values of {metric} in {self.folder / 'rows'}, {first} and {second}: two runs "
                "wrote there; run again with another --out"
            )
        return frame

    def done(self) -> set[int]:
        """The pairs that have rows; a damaged part raises as in `rows`."""
        return set(self._parts.table(CONTINUE, ["pair"])["pair"].unique().to_pylist())

    def write_summary(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        write_atomic(self.folder / "summary.json", summary.to_json())

    def read_summary(self) -> Summary:
        """The summary as it was written; a run that has not ended has none and raises `TalkbenchError`."""
        return parse_json(Summary, self._read("summary.json"), str(self.folder / "summary.json"))

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            if name != "run.json" and (self.folder / "run.json").exists() and (shard := self.read_record().shard):
                raise TalkbenchError(
                    f"{self.folder} is shard {shard} of a run; put the shards together with bench merge"
                ) from error
            raise TalkbenchError(f"{self.folder} holds no finished run: {name} is missing; check the path") from error
        except (OSError, UnicodeDecodeError) as error:
            raise TalkbenchError(f"cannot read {self.folder / name}: {error}; restore it or run again") from error


def _save_features(path: Path, numbers: np.ndarray, generated: np.ndarray, target: np.ndarray) -> None:
    import numpy as np

    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, numbers=numbers, generated=generated, target=target)


def _read_features(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of the pairs, and the features of their generated and of their target frames."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["numbers"], archive["generated"], archive["target"]
    except Exception as error:  # NumPy reports damage in many ways
        raise TalkbenchError(f"{path} is damaged; run again with another --out") from error


def _places(table: pa.Table) -> np.ndarray:
    """(N,) numbers that order rows by pair and metric, equal for rows of the same pair and metric."""
    import numpy as np

    metrics = table["metric"].combine_chunks()
    names = np.array(metrics.dictionary.to_pylist(), dtype=object)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[names.argsort()] = np.arange(len(names))
    return np.asarray(table["pair"].to_numpy() * max(1, len(names)) + ranks[metrics.indices.to_numpy()])


def _value(row: Mapping[Any, Any]) -> str:
    """What a row says, in words: its value, or why it has none."""
    value, reason = row["value"], row["reason"]
    return reason if math.isnan(value) else f"{value!r} ({reason})" if reason else repr(value)


def read_rows(path: Path, remedy: str) -> pa.Table:
    """The rows in one Parquet file, with the columns of `Row`; raises as `read_table`."""
    schema = _arrow_schema()
    return read_table(path, schema, remedy).cast(schema)


def write_rows(path: Path, rows: pd.DataFrame) -> None:
    """Write rows, as `RunStore.rows` gives them, to one well compressed Parquet file, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, _arrow_schema(), preserve_index=False).replace_schema_metadata()
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _arrow_schema() -> Any:
    import pyarrow as pa

    kinds: dict[Any, Any] = {int: pa.int64(), str: pa.string(), float: pa.float64(), float | None: pa.float64()}
    return pa.schema([(name, kinds[field.annotation]) for name, field in Row.model_fields.items()])
