"""The result schema and store, and in `talkbench.results.published` the papers' numbers."""

from talkbench.results.schema import (
    DatasetInfo,
    GitState,
    MethodInfo,
    MetricSpec,
    MetricSummary,
    Row,
    RunRecord,
    Summary,
    UnavailableMetric,
)
from talkbench.results.store import RunStore
from talkbench.results.summary import summarise

__all__ = [
    "DatasetInfo",
    "GitState",
    "MethodInfo",
    "MetricSpec",
    "MetricSummary",
    "Row",
    "RunRecord",
    "RunStore",
    "Summary",
    "UnavailableMetric",
    "summarise",
]
