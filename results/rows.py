"""What came out of a run, typed: its rows, why some have no value, and its summary."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, model_validator

from talkbench.results.strict import SCHEMA_VERSION, StrictModel

INFINITE = "infinite"
"""Reason of a row whose value is infinite. That need not be a fault: the PSNR of equal images is infinite."""

IN_SET = "in-set"
"""Reason of a row of a metric that takes whole sets (``fid``): its pair is in the set and has no value of its own. That
is no fault."""

START_OF_VIDEO, NO_FRAME_BEFORE = "start-of-video", "no-frame-before"
"""Reasons of rows of a metric that looks back (``flicker``): the video has no frames before this one in the list, or
they have failed."""

MISSING = {"no-face-generated", "no-body-generated"}
"""Reasons of pairs whose generated frame does not show what a metric looks at, while the real one does. Where the real
one does not (``no-face-target``), the pair is left out for every system (docs/specs/evaluation.md 4, point 3)."""


class Row(StrictModel):
    """One metric of one pair, as stored.

    A value that is not finite is stored as null with the reason ``infinite`` or ``not-a-number``, so
    that every file stays strict JSON and every reader sees the same. A finite value may carry a reason
    as a remark (``capped``).

    Attributes:
        pair: row number in the pair list, from 0.
        value: unscaled; None: there is none, and `reason` says why.
        weight: of the value in the mean.
        reason: slug under which failures are counted; empty when all is well.
        message: the whole story of a failure.
    """

    pair: int = Field(ge=0)
    source_clip: str
    source_index: int
    driving_clip: str
    driving_index: int
    metric: str
    value: float | None
    weight: float = 1.0
    reason: str = ""
    message: str = ""

    @model_validator(mode="before")
    @classmethod
    def _finite(cls, data: Any) -> Any:
        value = data.get("value") if isinstance(data, dict) else None
        if value is None or math.isfinite(value):
            return data
        reason = "not-a-number" if math.isnan(value) else INFINITE
        return {
            **data,
            "value": None,
            "reason": data.get("reason") or reason,
            "message": data.get("message") or str(float(value)),
        }

    @model_validator(mode="after")
    def _accounted(self) -> Row:
        if self.value is None and not self.reason:
            raise ValueError("a row without a value needs a reason")
        return self


class MetricSummary(StrictModel):
    """One metric over all pairs of a run.

    Attributes:
        mean: over the pairs with a value, by the metric's aggregation, unscaled; None if no pair has one.
        video_mean: the mean of what `mean` is for each driving clip alone; None if no clip has a value.
        pairs: over how many pairs the mean is taken.
        coverage: share of all pairs whose frames both show what the metric looks at.
        missing_generated: of the pairs whose real frame shows it, the share whose generated frame does not.
        infinite: pairs whose value is infinite; they are in no mean.
        failures: pairs without a value, by reason.
        remarks: pairs with a value that carries a remark, by reason (``capped``).
    """

    metric: str
    mean: float | None
    video_mean: float | None = None
    pairs: int
    coverage: float = 1.0
    missing_generated: float = 0.0
    infinite: int = 0
    failures: dict[str, int] = Field(default_factory=dict)
    remarks: dict[str, int] = Field(default_factory=dict)


class Summary(StrictModel):
    """All metrics of a run (``summary.json``); `pairs`: how many pairs have rows so far."""

    schema_version: Literal[1] = SCHEMA_VERSION
    pairs: int
    metrics: tuple[MetricSummary, ...]

    def metric(self, name: str) -> MetricSummary | None:
        """The summary of the metric `name`, None if the run does not have it."""
        return next((metric for metric in self.metrics if metric.metric == name), None)
