"""Runs with models behind their metrics: what a second method pays for, whole sets, and faces that are not there."""

import numpy as np
import pytest

from talkbench import metrics
from talkbench.core.images import write_png
from talkbench.metrics import Extractor, Metric, extractors, weights
from talkbench.results import RunStore


class Mean(Extractor):
    """The mean colour; dark frames have none."""

    name, id, seen = "mean", "mean@1", 0

    def extract(self, images, base=None):
        Mean.seen += len(images)
        means = images.mean(dim=(2, 3)).cpu().numpy()
        return [mean if mean.max() > 0.05 else None for mean in means]


class Colour(Metric):
    """Difference of the mean colours."""

    name, direction, range, decimals, extractor = "colour", "lower", (0.0, 1.0), 3, "mean"

    def compare(self, generated, target):
        return np.abs(generated - target).mean(axis=1).astype(np.float64)


class Spread(Colour):
    """Difference of the spreads of all colours."""

    name, aggregation = "spread", "set"

    def compare(self, generated, target):
        return np.array([abs(float(generated.std()) - float(target.std()))])


@pytest.fixture(autouse=True)
def registered(place, monkeypatch):
    monkeypatch.setitem(metrics.registry._factories, "colour", Colour)
    monkeypatch.setitem(metrics.registry._factories, "spread", Spread)
    extractors.registry.names()
    monkeypatch.setitem(extractors.registry._factories, "mean", Mean)
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "home"))
    monkeypatch.setattr(Mean, "seen", 0)


def test_a_second_method_pays_for_its_own_frames_only(bench, clips):
    tiny = ("run", "--dataset", "tiny", "--root", clips, "--metrics", "colour")
    first = bench(*tiny, "--method", "blend")
    assert first.code == 0, first.err
    real = {(row.driving_clip, row.driving_index) for row in first.rows.itertuples()}
    assert Mean.seen == 16 + len(real)
    second = bench(*tiny, "--method", "copy-source")
    assert second.code == 0, second.err
    assert Mean.seen == 16 + len(real) + 16
    assert "mean@1" in bench("cache", "info").out
    bench("cache", "clear")
    bench(*tiny, "--method", "copy-source", "--out", "again")
    assert Mean.seen == 16 + len(real) + 16 + 16 + len(real)


def test_a_metric_of_whole_sets_is_the_same_after_an_interruption(score, monkeypatch):
    chosen = ("--metrics", "spread", "--batch-size", 3)
    whole = score(*chosen, "--out", "whole")
    assert whole.code == 0, whole.err
    value = whole.summary.metric("spread")
    assert (value.pairs, value.failures) == (16, {})
    assert value.mean == pytest.approx(0.01, abs=0.05)
    assert "in-set" not in (whole.store.folder / "index.html").read_text()

    append, count = RunStore.append, iter(range(2))

    def killed(store, rows):
        if next(count, None) is None:
            raise KeyboardInterrupt
        append(store, rows)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", killed)
        assert score(*chosen, "--out", "parts").code == 130
    rest = score(*chosen, "--out", "parts", "--resume")
    assert rest.code == 0, rest.err
    assert rest.summary == whole.summary


def test_a_generated_frame_without_a_face_is_counted_and_shown(bench, clips, place):
    """Frames of another program, half of them black."""
    folder = place / "frames"
    for number in range(16):
        write_png(folder / f"{number:06d}.png", np.full((48, 48, 3), 0 if number % 2 else 120, np.uint8))
    given = (
        "run",
        "--frames",
        folder,
        "--name",
        "half",
        "--dataset",
        "tiny",
        "--root",
        clips,
        "--metrics",
        "colour,l1",
    )
    result = bench(*given)
    assert result.code == 0, result.err
    summary = result.summary.metric("colour")
    assert (summary.pairs, summary.coverage, summary.missing_generated) == (8, 0.5, 0.5)
    assert summary.failures == {"no-face-generated": 8}
    assert "50.0 %" in result.out
    assert "8 no-face-generated" in result.out
    worst = bench("tables", result.store.folder, "--measured", "--missing", "worst")
    assert "worst value that the metric has" in worst.out


def test_files_that_are_missing_are_one_calm_line_and_the_page_and_v_say_more(score):
    result = score("--metrics", "l1,akd,nme", "--limit", 1)
    told = "2 of 3 metrics need 2 model files (186.0 MB): bench weights pull s3fd fan-2d"
    assert [line for line in result.err.splitlines() if "metrics" in line] == [told]
    assert "1 pair, 1 of 3 metrics" in result.out
    assert "bench weights" not in result.out
    detailed = score("--metrics", "l1,akd,nme", "--limit", 1, "-v", "--out", "detailed")
    (line,) = [line for line in detailed.err.splitlines() if "not available" in line]
    assert line.startswith("metrics akd@pose-evaluation, nme@interocular are not available: needs s3fd-")
    page = (detailed.store.folder / "index.html").read_text()
    for detail in (weights.files()["s3fd"].url, str(weights.store() / "face-alignment"), "bench weights pull s3fd"):
        assert detail in line
        assert detail in page
    strict = score("--metrics", "l1,akd", "--strict", "--out", "strict").complaint()
    assert strict.endswith("(--strict makes that an error)")


def test_a_file_of_another_model_ends_the_run_in_one_line(score, monkeypatch):
    path = weights.store() / weights.files()["openface-nn4"].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a checkpoint")
    result = score("--metrics", "l1,aed", "--limit", 1)  # its git id is known, so it is told before the run
    damaged = "1 of 2 metrics needs 1 model file, of which 1 is here but damaged (15.0 MB)"
    assert f"{damaged}: bench weights pull openface-nn4\n" in result.err
    assert "needs a sound openface.pth" in result.record.unavailable[0].reason
    assert result.code == 0
    other = weights.store() / weights.files()["arcface-r50"].path  # of this one nobody has stated a hash
    other.parent.mkdir(parents=True)
    other.write_bytes(b"not a checkpoint")
    face = score("--metrics", "l1,csim", "--limit", 1)
    assert face.code == 0, face.err  # there is no face in these frames, so nobody asks for the network
    assert face.summary.metric("csim@arcface-r50").failures == {"no-face-target": 1}
