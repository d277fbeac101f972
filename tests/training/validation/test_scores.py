"""The metrics of validation: which are taken, what they are of pairs without faces, and how they are shown."""

import math

import numpy as np
import pytest
import torch
from small_validation import CPU, config, install

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.training.validation import scores
from talkbench.training.validation.scores import Scorer, Values, beside, best_metric, choose, together


@pytest.fixture(autouse=True)
def _no_model_files(tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))


def test_the_mean_is_of_the_pairs_that_have_a_value():
    pairs, weights = np.array([1.0, np.nan, 4.0, 9.0]), np.array([1.0, 1.0, 2.0, 0.0])
    assert Values(pairs, weights).mean == pytest.approx(3)
    assert Values(pairs, weights, root=True).mean == pytest.approx(3**0.5)
    assert math.isnan(Values(np.full(2, np.nan), np.ones(2)).mean)
    joined = together([{"x": Values(pairs, weights, 1, 2)}, {"x": Values(np.ones(1), np.ones(1), 3, 4)}])["x"]
    assert (len(joined.pairs), joined.missing, joined.blind) == (5, 4, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best": "akd@mp86"}, r"unknown metric 'akd@mp86': did you mean akd@mp68\?"),
        (
            {"best": "akd@mp68"},
            r"best: akd@mp68 needs face_landmarker.task .*: bench weights pull face-landmarker; or ",
        ),
        ({"best": "flicker"}, "best: flicker is of consecutive frames, not of single pairs; choose another"),
        ({"patience": 3, "validation": 0}, "patience counts validations, and this recipe has none"),
    ],
)
def test_a_best_that_cannot_be_computed_is_refused(changes, message):
    with pytest.raises(TalkbenchError, match=f"^{message}") as caught:
        best_metric(config(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("problem", [None, "needs weights: bench weights pull inception-fid"])
def test_a_metric_of_whole_sets_does_not_choose_with_or_without_its_model(monkeypatch, problem):
    monkeypatch.setattr(scores, "_problem", lambda metric: problem)
    with pytest.raises(TalkbenchError, match="best: fid is of whole sets of frames, not of single pairs"):
        best_metric(config(best="fid"))


def test_without_landmarks_one_line_says_what_is_missing():
    said = []
    assert [metric.name for metric in choose(metrics.create("ssim"), said.append)] == ["l1", "psnr", "ssim"]
    assert len(said) == 1
    assert said[0].startswith("validation does not measure motion, akd@mp68 needs face_landmarker.task ")
    assert said[0].endswith("bench weights pull face-landmarker")


def test_the_first_landmarks_that_are_there_are_taken(monkeypatch):
    monkeypatch.setattr(scores, "_problem", lambda metric: "needs it" if metric.extractor == "mp478" else None)
    names = [metric.name for metric in choose(metrics.create("l1"), print)]
    assert names == ["l1", "psnr", "akd@dlib68", "missing-face-rate@dlib"]


def test_missing_faces_are_counted_and_those_without_a_target_left_out(monkeypatch):
    install(monkeypatch)
    real = torch.full((4, 3, 8, 8), 0.5)
    real[3] = 0  # no face in the target
    drawn = real.clone()
    drawn[1:, 0] = 0.75  # red
    drawn[2:] = 0  # no face in what is generated
    scorer = Scorer(choose(metrics.create("l1"), print), CPU)
    values = scorer.score(0, drawn, {"source": real, "driving": real})
    distance, missing = values["akd@green"], values["missing-face-rate@green"]
    np.testing.assert_allclose(distance.pairs, [0, 64, np.nan, np.nan], atol=1)
    assert (distance.missing, distance.blind) == (missing.missing, missing.blind) == (1, 1)
    np.testing.assert_array_equal(missing.pairs, [0, 0, 1, np.nan])
    assert missing.mean == pytest.approx(1 / 3)


def test_a_metric_stands_before_that_of_the_source_copied():
    values = {"total": 3.0, "validation/l1": 0.04123, "validation/psnr": 20.0, "validation/copy-source/l1": 0.071}
    assert beside(values) == [
        "total 3", "validation/l1 0.04123 (copying the source 0.071)", "validation/psnr 20",
    ]  # fmt: skip
