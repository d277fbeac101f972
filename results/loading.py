"""Results as data frames, for notebooks and other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkbench.core.errors import TalkbenchError
from talkbench.results.entries import ENTRY, RECORD, SUMMARY, Entry
from talkbench.results.record import MetricSpec, RunRecord
from talkbench.results.rows import Summary
from talkbench.results.run_store import RunStore
from talkbench.results.summary import summary_of

if TYPE_CHECKING:
    import pandas as pd


GIVE = "give the folder of a run or of an entry"


@dataclass(frozen=True)
class Result:
    """A finished run or an entry made of one, as it lies in `folder`."""

    folder: Path
    record: RunRecord
    summary: Summary
    rows: pd.DataFrame

    @classmethod
    def read(cls, folder: Path | str) -> Result:
        """Read a run, whose summary is derived from its rows, or an entry.

        Raises:
            TalkbenchError: there is neither, the run has not ended, or files are damaged.
        """
        folder = Path(folder)
        check_result(folder)
        if (folder / ENTRY).exists():
            entry = Entry.load(folder)
            return cls(folder, entry.record, entry.summary, entry.rows())
        store = RunStore(folder)
        store.read_summary()
        rows = store.rows()
        return cls(folder, store.read_record(), summary_of(store, rows), rows)


def check_result(folder: Path) -> None:
    """Say what was given where a run or an entry is asked for.

    Raises:
        TalkbenchError: `folder` is neither; the line says what it is instead.
    """
    if not folder.exists():
        raise TalkbenchError(f"there is no {folder}; {GIVE}")
    if not folder.is_dir():
        raise TalkbenchError(f"{folder} is a file; {GIVE}")
    if (folder / ENTRY).exists() or (folder / RECORD).exists():
        return
    inside = sorted(path.parent.name for path in folder.glob(f"[!.]*/{RECORD}"))
    if inside:
        raise TalkbenchError(f"{folder} is a folder of {len(inside)} results; give one of them, such as {inside[0]}")
    raise TalkbenchError(f"{folder} is a folder without run and entry ({RECORD} is missing); {GIVE}")


def read_results(*folders: Path | str) -> list[Result]:
    """The finished runs and entries in `folders`: each folder is a run, is an entry, or holds some of these.

    Raises:
        TalkbenchError: a folder holds no run and no entry, or files are damaged.
    """
    return [Result.read(place) for folder in folders for place in _places(Path(folder))]


def _without_rows(folder: Path) -> Result:
    """A run or an entry as `Result.read` gives it, but for its rows: of many, all rows together fill the memory."""
    check_result(folder)
    if not (folder / ENTRY).exists():
        result = Result.read(folder)
        return replace(result, rows=result.rows.iloc[:0].copy())
    entry = Entry.load(folder)
    return Result(folder, entry.record, entry.summary, RunStore(folder).rows())


def _places(folder: Path) -> list[Path]:
    if (folder / RECORD).is_file():
        return [folder]
    folders = sorted(path.parent for path in folder.glob(f"*/{SUMMARY}"))
    if not folders and not folder.is_dir():
        check_result(folder)
    if not folders:
        raise TalkbenchError(f"there is no finished run in {folder}; make one with bench run")
    return folders


def load(*folders: Path | str) -> pd.DataFrame:
    """All finished runs and entries in `folders`, a row per run and metric; each folder may be one or hold several.

    Columns: ``run`` (name of the folder), ``method``, ``dataset``, ``task``, ``motion``, ``protocol``, ``metric``,
    ``value`` (as printed, in ``unit``; NaN if there is none), ``unit``, ``direction`` (which is better),
    ``video_value`` (mean over the means of clips), ``pairs`` (with a value), ``coverage``, ``missing_generated``,
    ``infinite``, ``failed``, ``protocol_id`` and ``data_id`` (only numbers with the same ones compare; the latter is
    empty for records older than it), ``checkpoint_sha256``, ``created``.

    Raises:
        TalkbenchError: a folder holds no finished run and no entry, or files are damaged.
    """
    import pandas as pd

    places = (place for folder in folders for place in _places(Path(folder)))
    return pd.DataFrame([row for place in places for row in _metric_rows(_without_rows(place))])


def load_pairs(*folders: Path | str) -> pd.DataFrame:
    """The runs and entries that `load` reads, a row per run, pair and metric.

    Columns: ``run``, ``method``, ``dataset``, ``task``, ``motion``, ``pair``, ``source_clip``, ``source_index``,
    ``driving_clip``, ``driving_index``, ``metric``, ``value`` (as printed, in ``unit``), ``unit``, ``weight``,
    ``reason``, ``message``.
    """
    import pandas as pd

    tables = []
    for result in read_results(*folders):
        specs = {spec.name: spec for spec in result.record.metrics}
        rows = result.rows.assign(
            value=result.rows["value"] * result.rows["metric"].map(lambda name, specs=specs: specs[name].scale),
            unit=result.rows["metric"].map(lambda name, specs=specs: specs[name].unit),
        )
        for place, (column, value) in enumerate(_run(result).items()):
            rows.insert(place, column, value)
        rows.insert(list(rows.columns).index("value") + 1, "unit", rows.pop("unit"))
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def _run(result: Result) -> dict[str, str]:
    data = result.record.dataset
    return {
        "run": result.folder.resolve().name,
        "method": result.record.method.name,
        "dataset": data.name,
        "task": data.task,
        "motion": data.motion,
    }


def _metric_rows(result: Result) -> Iterator[dict[str, Any]]:
    record = result.record
    for spec in record.metrics:
        metric = result.summary.metric(spec.name)
        if metric is None:
            raise TalkbenchError(f"{result.folder / SUMMARY} lacks {spec.name}; run again")
        yield {
            **_run(result),
            "protocol": record.protocol.name if record.protocol else "",
            "metric": spec.name,
            "value": printed_value(metric.mean, spec),
            "unit": spec.unit,
            "direction": spec.direction,
            "video_value": printed_value(metric.video_mean, spec),
            "pairs": metric.pairs,
            "coverage": metric.coverage,
            "missing_generated": metric.missing_generated,
            "infinite": metric.infinite,
            "failed": sum(metric.failures.values()),
            "protocol_id": record.protocol_id(spec.name),
            "data_id": record.dataset.data_id,
            "checkpoint_sha256": record.method.checkpoint_sha256 or "",
            "created": record.created,
        }


def printed_value(value: float | None, spec: MetricSpec) -> float:
    """A value in the unit that it is printed in, not rounded; NaN if there is none."""
    return float("nan") if value is None else value * spec.scale
