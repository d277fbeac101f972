"""From rows to one number: aggregations, videos, coverage and the rules for missing faces."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from talkbench.results import MetricSpec, common_pairs, summarise
from talkbench.results.rows import IN_SET

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metrics" / "golden.json").read_text())


def spec(**fields):
    return MetricSpec(**{"name": "m", "version": 1, "direction": "lower", "backend": "talkbench", **fields})


def table(values, clips=None, weights=None, metric="m"):
    """Rows of one metric; a text among the `values` is the reason why there is none."""
    clips, weights = clips or ["a"] * len(values), weights or [1.0] * len(values)
    return pd.DataFrame(
        {
            "pair": range(len(values)),
            "driving_clip": clips,
            "metric": metric,
            "value": [math.nan if isinstance(value, str) else value for value in values],
            "weight": weights,
            "reason": [value if isinstance(value, str) else "" for value in values],
        }
    )


def one(rows, missing="drop", sets=None, **fields):
    return summarise(rows, [spec(**fields)], missing, sets).metrics[0]


@pytest.mark.parametrize("entry", GOLDEN["aggregation"])
def test_means_over_frames_and_over_videos(entry):
    draws = [
        np.random.RandomState(entry["input"]["seed"] + video).uniform(0.02, 0.08, count)
        for video, count in enumerate(entry["input"]["frames_per_video"])
    ]
    clips = [f"video{video}" for video, values in enumerate(draws) for _ in values]
    result = one(table(np.concatenate(draws).tolist(), clips))
    assert result.mean == pytest.approx(entry["per_frame"], abs=1e-9)
    assert result.video_mean == pytest.approx(entry["per_video"], abs=1e-9)


@pytest.mark.parametrize("entry", GOLDEN["akd_face"])
def test_coverage_and_missing_faces(entry):
    counts = entry["input"]
    values = iter(entry["per_frame_l1"])
    rows = []
    for frame in range(counts["frames"]):
        if frame in counts["missing_in_truth"]:
            rows.append("no-face-target")
        elif frame in counts["missing_in_generated"]:
            rows.append("no-face-generated")
        else:
            rows.append(next(values))
    result = one(table(rows))
    assert result.mean == pytest.approx(entry["akd@pose-evaluation"], abs=1e-9)
    assert result.pairs == entry["frames_used"]
    assert result.coverage == pytest.approx(entry["coverage"], abs=1e-9)
    assert result.missing_generated == pytest.approx(entry["missing_generated_rate"], abs=1e-9)


def test_the_worst_value_for_what_the_generated_frame_alone_lacks():
    rows = table([1.0, "no-face-generated", "no-face-target", "undecodable-frame", 3.0])
    dropped, worst = one(rows, worst=4.0), one(rows, "worst", worst=4.0)
    assert (dropped.mean, dropped.pairs) == (2.0, 2)
    assert (worst.mean, worst.pairs) == (pytest.approx(8 / 3), 3)
    assert worst.remarks == {"no-face-generated": 1}
    assert worst.failures == {"no-face-target": 1, "undecodable-frame": 1}
    assert (worst.coverage, worst.missing_generated) == (dropped.coverage, dropped.missing_generated) == (0.4, 1 / 3)


def test_root_of_the_mean_of_squares():
    result = one(table([9.0, 16.0, 2.0], ["a", "a", "b"]), aggregation="root-mean")
    assert result.mean == pytest.approx(3.0)
    assert result.video_mean == pytest.approx((math.sqrt(12.5) + math.sqrt(2)) / 2)


def test_values_count_as_much_as_their_weights():
    result = one(table([0.5, 0.0, 1.0], weights=[2.0, 6.0, 0.0]))
    assert result.mean == pytest.approx(1 / 8)


def test_a_metric_of_whole_sets_counts_its_members():
    rows = table([IN_SET, IN_SET, "undecodable-frame"])
    result = one(rows, sets={"m": 12.5}, aggregation="set")
    assert (result.mean, result.pairs, result.failures) == (12.5, 2, {"undecodable-frame": 1})
    assert one(rows, aggregation="set").mean is None


def test_no_pair_no_mean():
    result = one(table(["no-face-target", "no-face-target"]))
    assert (result.mean, result.video_mean, result.pairs, result.coverage) == (None, None, 0, 0.0)


def test_pairs_that_all_runs_have():
    a, b = table([1.0, "no-face-generated", 3.0, 4.0]), table([1.0, 2.0, "no-face-generated", 4.0])
    assert common_pairs([a, b], "m") == {0, 3}
    assert common_pairs([a], "m") == {0, 2, 3}
    assert common_pairs([], "m") == set()
