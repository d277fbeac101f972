"""Results in the form that model cards of the Hugging Face Hub hold: their metadata ``model-index``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from talkbench.results.loading import Result, printed_value
from talkbench.results.record import MetricSpec, RunRecord
from talkbench.results.rows import MetricSummary

TASK_TYPE = "image-to-video"
"""The nearest of the Hub's tasks."""


def model_index(results: Sequence[Result]) -> str:
    """The head of a model card, YAML between lines of three dashes, with a model for each method of `results`.

    Values are in the unit that they are printed in; the arguments of each metric name that unit and the protocol id. A
    metric without a value is left out.
    """
    import yaml

    models: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        models.setdefault(result.record.method.name, []).append(_evaluation(result))
    index = [{"name": name, "results": evaluations} for name, evaluations in models.items()]
    text = yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{text}---\n"


def _evaluation(result: Result) -> dict[str, Any]:
    data = result.record.dataset
    summaries = [(spec, result.summary.metric(spec.name)) for spec in result.record.metrics]
    metrics = [
        _metric(result.record, spec, summary) for spec, summary in summaries if summary and summary.mean is not None
    ]
    return {
        "task": {"type": TASK_TYPE, "name": f"Talking-head generation, {data.task}"},
        "dataset": {
            "type": data.name,
            "name": data.name,
            "config": data.motion,
            "split": data.task,
            "args": {"pairs": data.pairs, "pairs_sha256": data.pairs_sha256, "image_size": data.image_size},
        },
        "metrics": metrics,
    }


def _metric(record: RunRecord, spec: MetricSpec, summary: MetricSummary) -> dict[str, Any]:
    return {
        "type": spec.family,
        "value": printed_value(summary.mean, spec),
        "name": spec.name,
        "args": {
            "unit": spec.unit,
            "better": spec.direction,
            "pairs": summary.pairs,
            "coverage": summary.coverage,
            "protocol_id": record.protocol_id(spec.name),
            "talkbench": record.talkbench,
        },
    }
