"""Stored runs as tables and statistics take them, under one rule for missing faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from talkbench.core.errors import TalkbenchError
from talkbench.results import RunRecord, RunStore, Summary, common_pairs, summary_of
from talkbench.results.content import Contents, ContentStore

if TYPE_CHECKING:
    import pandas as pd

MissingFaces = Literal["drop", "intersect", "worst"]

NOT_COMMON = "not-common"
"""Reason of a pair that has a value here and none in another run of the table."""

Cluster = Callable[[str], str]
"""Maps a clip to what the statistics resample with all its pairs: the clip, or who is seen in it."""


def by_clip(clip: str) -> str:
    """Every clip by itself."""
    return clip


@dataclass(frozen=True)
class Run:
    """A stored run: its record, its summary and, where its pairs are needed, its rows.

    Attributes:
        cluster: what the statistics resample for a clip; set by the caller, who knows the data set.
        ranges: by metric, the least and the greatest value of a pair; set by the caller, who knows the metrics. Those
            of metrics that are not there are not known.
        contents: what its frames decode to; empty for an entry, and for a run that is older than data ids.
    """

    record: RunRecord
    summary: Summary
    rows: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    cluster: Cluster = field(default=by_clip, compare=False, repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, compare=False, repr=False)
    contents: Contents = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(cls, store: RunStore, missing: MissingFaces | None = None) -> Run:
        """Read the record and derive the summary from the rows; damaged files raise `TalkbenchError`.

        Args:
            missing: the rule for missing faces, ``drop`` or ``worst``; None: the run's own.
        """
        rows = store.rows()
        contents = ContentStore(store.folder).read()
        return cls(_under(store.read_record(), missing), summary_of(store, rows, missing), rows, contents=contents)

    def metric_rows(self, metric: str) -> pd.DataFrame:
        """The rows of one metric; raises as `pair_rows`."""
        rows = self.pair_rows()
        return rows[(rows["metric"] == metric).to_numpy()]

    @cached_property
    def kept(self) -> dict[str, pd.DataFrame]:
        """For `statistics.intervals.valued_of`, by metric."""
        return {}

    def pair_rows(self) -> pd.DataFrame:
        """The rows; a run that was made without them raises `TalkbenchError`."""
        if self.rows is None:
            raise TalkbenchError(f"run {self.record.run_id} has no rows of its pairs; load it from its folder")
        return self.rows


def load_runs(stores: Sequence[RunStore], missing: MissingFaces | None = None) -> list[Run]:
    """The runs under one rule for pairs whose generated frame shows no face (docs/specs/evaluation.md 4, point 3).

    Args:
        missing: ``drop`` leaves such a pair out of its own run; ``worst`` gives it the worst value of the metric;
            ``intersect`` leaves it out of all runs of the same pairs and data. None: each run's own rule.

    Raises:
        TalkbenchError: damaged files.
    """
    if missing != "intersect":
        return [Run.load(store, missing) for store in stores]
    records = [store.read_record() for store in stores]
    tables = [store.rows() for store in stores]
    lists = [(record.dataset.pairs_sha256, record.dataset.data_id) for record in records]
    for name in {spec.name for record in records for spec in record.metrics}:
        for pairs in set(lists):
            places = [
                place
                for place, record in enumerate(records)
                if lists[place] == pairs and name in [spec.name for spec in record.metrics]
            ]
            common = common_pairs([tables[place] for place in places], name)
            for place in places:
                rows = tables[place]
                not_common = (rows["metric"] == name) & rows["value"].notna() & ~rows["pair"].isin(common)
                tables[place] = rows.assign(
                    value=rows["value"].mask(not_common), reason=rows["reason"].mask(not_common, NOT_COMMON)
                )
    return [
        Run(_under(record, missing), summary_of(store, rows, "drop"), rows)
        for store, record, rows in zip(stores, records, tables, strict=True)
    ]


def _under(record: RunRecord, missing: MissingFaces | None) -> RunRecord:
    """The record with `missing` as its rule for missing faces, so that the protocol ids name the rule as well."""
    return record.model_copy(update={"missing_faces": missing}) if missing else record
