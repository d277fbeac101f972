"""The end of a run, line by line: each metric with its mean, the pairs it was taken over, and what failed."""

from __future__ import annotations

from talkbench.reports.numbers import ARROWS, counts, format_mean, format_value, share, unit_sign
from talkbench.results import RunRecord, Summary


def summary_lines(record: RunRecord, summary: Summary) -> tuple[list[str], list[list[str]]]:
    """The headings and the lines of the table of a run, as texts.

    A line has the mean, for videos the mean of their means, the unit with the better direction, pairs, for faces and
    bodies the coverage and the share that is missing in what was generated, and the failures by reason.
    """
    data, videos = record.dataset, "videos" in record.aggregation
    headings = ["metric", "mean", *(["of videos"] if videos else []), "", "pairs", "coverage", "missing", "remarks"]
    lines = []
    for spec in record.metrics:
        result = summary.metric(spec.name)
        if result is None:
            continue
        others = {**result.failures, "infinite": result.infinite, **result.remarks}
        others["not evaluated yet"] = data.pairs - summary.pairs
        cells = [spec.name, format_mean(result, spec)]
        if videos:
            cells.append("" if result.video_mean is None else format_value(result.video_mean, spec))
        cells += [f"{unit_sign(spec.unit)} {ARROWS[spec.direction]}", str(result.pairs)]
        cells += [share(result.coverage), share(result.missing_generated)] if spec.extractor else ["", ""]
        lines.append([*cells, counts(others)])
    return headings, lines
