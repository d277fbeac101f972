"""The result schema and store, and in `talkbench.results.published` the papers' numbers."""

from talkbench.results.loading import load
from talkbench.results.record import (
    DatasetInfo,
    GitState,
    MethodInfo,
    MetricSpec,
    ProtocolInfo,
    RunRecord,
    UnavailableMetric,
    by_reason,
)
from talkbench.results.rows import MetricSummary, Row, Summary
from talkbench.results.run_store import RunStore
from talkbench.results.summary import common_pairs, summarise, summary_of

__all__ = [
    "DatasetInfo",
    "GitState",
    "MethodInfo",
    "MetricSpec",
    "MetricSummary",
    "ProtocolInfo",
    "Row",
    "RunRecord",
    "RunStore",
    "Summary",
    "UnavailableMetric",
    "by_reason",
    "common_pairs",
    "load",
    "summarise",
    "summary_of",
]
