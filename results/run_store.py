"""A run's folder: ``run.json``, ``rows/part-00000.parquet`` ..., ``summary.json``; every file written atomically."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import atomic_path, write_atomic
from talkbench.results.parts import Parts, read_table
from talkbench.results.record import RunRecord
from talkbench.results.rows import Row, Summary
from talkbench.results.strict import parse_json

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

CONTINUE = "delete it and continue the run with --resume"


class RunStore:
    """The files of one run below `folder`, which need not exist yet."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._parts = Parts(self.folder / "rows", _arrow_schema)

    def write_record(self, record: RunRecord) -> None:
        """Write ``run.json``; an unwritable folder raises `TalkbenchError`, as in all writers here."""
        write_atomic(self.folder / "run.json", record.to_json())

    def read_record(self) -> RunRecord:
        """The record.

        Raises:
            TalkbenchError: the folder holds no run, or a damaged or newer ``run.json``.
        """
        return parse_json(RunRecord, self._read("run.json"), str(self.folder / "run.json"))

    def append(self, rows: Sequence[Row]) -> None:
        """Add `rows` as one new part. Pass all rows of a pair at once: a pair with any row counts as done."""
        self._parts.append([row.model_dump() for row in rows])

    def append_features(self, key: str, first: int, numbers: Sequence[int], arrays: Sequence[np.ndarray]) -> None:
        """Keep what a metric of whole sets compares: features (N, D) of the generated and of the target frames of the
        pairs `numbers`.

        Call it before `append`. What a killed run left of pairs without rows goes with `forget_features`.

        Args:
            key: names the features.
            first: the first pair of the batch.
        """
        import numpy as np

        generated, target = arrays
        path = self.folder / "features" / key / f"{first:06d}.npz"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, numbers=np.asarray(numbers), generated=generated, target=target)

    def forget_features(self, done: Collection[int]) -> None:
        """Delete the features of batches that a killed run has not finished: of pairs that are not `done`."""
        for path in (self.folder / "features").glob("*/[0-9]*.npz"):
            if not set(_read_features(path)[0].tolist()) <= set(done):
                path.unlink()

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
        import pyarrow as pa

        tables = self._parts.tables(CONTINUE)
        frame = pa.concat_tables([_arrow_schema().empty_table(), *tables]).to_pandas()
        frame = frame.sort_values(["pair", "metric"], kind="stable")
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
        return {pair for table in self._parts.tables(CONTINUE) for pair in table["pair"].to_pylist()}

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


def _read_features(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of the pairs, and the features of their generated and of their target frames."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["numbers"], archive["generated"], archive["target"]
    except Exception as error:  # NumPy reports damage in many ways
        raise TalkbenchError(f"{path} is damaged; run again with another --out") from error


def _value(row: dict[str, Any]) -> str:
    """What a row says, in words: its value, or why it has none."""
    value, reason = row["value"], row["reason"]
    return reason if math.isnan(value) else f"{value!r} ({reason})" if reason else repr(value)


def read_rows(path: Path, remedy: str) -> pa.Table:
    """The rows in one Parquet file, with the columns of `Row`; raises as `read_table`."""
    return read_table(path, _arrow_schema(), remedy)


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
