"""`bench run`, option by option, as a user types it."""

import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from talkbench import datasets
from talkbench.benchmark.evaluation import record as record_module
from talkbench.benchmark.evaluation import runner as run_module
from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.progress import Progress
from talkbench.benchmark.videos import pictured_pairs
from talkbench.core.images import read_image, write_png
from talkbench.datasets.pairs import write_pairs
from talkbench.metrics.extractors.mtcnn import Mtcnn5


def test_a_run_leaves_table_record_rows_summary_and_page(score):
    result = score()
    assert result.code == 0, result.err
    folder = result.store.folder
    assert folder.parent.name == "runs"
    assert "blend on tiny, same-identity, 16 pairs" in " ".join(result.out.split())
    assert f"record  {folder.relative_to(result.cwd)}" in result.out
    assert f"page    {folder.relative_to(result.cwd) / 'index.html'}" in result.out
    assert "MLflow" not in result.out
    assert len(result.rows) == 2 * 16
    assert result.rows["value"].notna().all()
    assert result.summary.metric("l1").pairs == 16
    assert result.summary.metric("l1").mean == pytest.approx(np.mean(list(result.values("l1").values())))
    page = (folder / "index.html").read_text()
    pictures = [path.name for path in (folder / "pictures").iterdir()]
    assert len([name for name in pictures if "-" not in name]) == pictured_pairs.COUNT
    assert page.count('<figure class="pair">') == len(pictures)
    assert "FOMM" not in page
    assert (folder / "table.md").read_text().startswith("**Measured on tiny, same-identity: all metrics**")


def test_the_record_says_how_it_was_made(score):
    record = score("--set", "noise=0.25", "--batch-size", 5).record
    assert record.method.name == "blend"
    assert record.method.settings == {"noise": 0.25, "fault": ""}
    assert record.method.origin == "needs no weights"
    assert (record.dataset.name, record.dataset.task, record.dataset.motion) == ("tiny", "same-identity", "absolute")
    assert (record.dataset.pairs, record.dataset.image_size, record.dataset.pairs_file) == (16, 48, "built-in")
    assert len(record.dataset.pairs_sha256) == 64
    assert record.batch_size == 5
    assert record.command.startswith("bench run --method blend --dataset tiny")
    assert {"python", "torch", "numpy"} <= set(record.libraries)
    assert record.device == "cpu"
    assert record.device_name
    head = subprocess.run(["git", "-C", Path(__file__).parent, "rev-parse", "HEAD"], capture_output=True, text=True)
    assert (record.git.commit if record.git else "") == head.stdout.strip()
    assert [spec.name for spec in record.metrics] == ["l1", "psnr"]


def test_values_are_those_of_the_rounded_frames(score, clips):
    values = score("--limit", 1).values("l1")
    source, driving = (read_image(clips / "a" / f"{index}.png").astype(float) for index in (0, 3))
    generated = np.round((source + driving) / 2 + 1e-6)  # torch rounds halves that float32 puts a hair above
    error = np.abs(generated - driving).mean() / 255
    assert values[0] == pytest.approx(error, abs=1e-3)


def test_limit(score):
    result = score("--limit", 3)
    assert result.record.dataset.pairs == 3
    assert sorted(set(result.rows["pair"])) == [0, 1, 2]
    assert score("--limit", 99).record.dataset.pairs == 16


@pytest.mark.parametrize("size", [1, 5, 16, 100])
def test_any_batch_size_gives_the_same_numbers(score, size):
    result = score("--batch-size", size)
    assert [path.name for path in (result.store.folder / "rows").iterdir()] == ["part-00000.parquet"]
    assert result.summary == score("--batch-size", 7).summary


def test_task_and_motion(score):
    absolute = score("--task", "reconstruction")
    assert (absolute.record.dataset.task, absolute.record.dataset.pairs) == ("reconstruction", 8)
    relative = score("--task", "reconstruction", "--motion", "relative-first")
    assert relative.record.dataset.motion == "relative-first"
    assert relative.record.protocol_ids["l1"] != absolute.record.protocol_ids["l1"]
    # The first driving frame is the source, so that its change is added to nothing.
    assert relative.summary == absolute.summary
    assert score("--motion", "relative-first").summary != score().summary


def test_across_identities_there_is_no_truth_to_compare_with(bench, clips):
    tiny = ("run", "--method", "copy-source", "--dataset", "tiny", "--root", clips, "--task", "cross-identity")
    result = bench(*tiny, "--motion", "relative-best")
    assert result.code == 2  # nor is there a face in these pictures
    line = result.err.splitlines()[-1]
    assert line.startswith("bench: no number came out: not one of 4 pairs has a value of any metric; most often, 4 of ")
    assert " no-face-target (no face in the driving frame); the rows are in runs/copy-source-" in line
    assert len(result.rows) == 4
    assert [spec.name for spec in result.record.metrics] == ["missing-face-rate@mtcnn5"]
    missing = {miss.name: miss.reason for miss in result.record.unavailable}
    assert {"csim@arcface-r50", "aucon@pyfeat-2", "fid"} <= set(missing)  # whose models are not here
    assert "no true image" not in result.err  # what the task has no use for goes without saying
    asked = bench(*tiny, "--metrics", "l1,missing-face-rate")
    assert asked.err.startswith("metric l1 is not available: cross-identity has no true image to compare with\n")
    none = "bench: none of the metrics can be computed: metric l1 is not available: cross-identity has no true image"
    assert bench(*tiny, "--metrics", "l1").complaint().startswith(none)


def test_metrics_are_computed_once_each(score):
    result = score("--metrics", "ssim, ssim@gauss11-valid,l1,l1,ssim@uniform7-dr2")
    assert [spec.name for spec in result.record.metrics] == ["ssim@gauss11-valid", "l1", "ssim@uniform7-dr2"]


def test_a_metric_that_must_not_rank_says_so_in_the_record(score):
    specs = score("--metrics", "psnr,psnr@uint8-wrap", "--limit", 1).record.metrics
    assert [spec.ranks for spec in specs] == [True, False]


def test_a_metric_that_cannot_be_computed_costs_a_line_or_with_strict_the_run(score, monkeypatch):
    monkeypatch.setattr(Mtcnn5, "problem", lambda self: "needs mtcnn.pt from https://x.org in /weights")
    result = score("--metrics", "l1,akd@mtcnn5", "--limit", 2)
    line = "metric akd@mtcnn5 is not available: needs mtcnn.pt from https://x.org in /weights"
    assert f"{line}\n" in result.err
    assert result.code == 0
    assert [miss.name for miss in result.record.unavailable] == ["akd@mtcnn5"]
    strict = score("--metrics", "l1,akd@mtcnn5", "--strict", "--out", "strict")
    assert strict.complaint() == f"bench: {line} (--strict makes that an error)"
    assert not (result.cwd / "strict").exists()
    assert score("--metrics", "l1", "--strict").code == 0


def test_identical_images_are_remarked_as_capped(bench, clips):
    result = bench("run", "--method", "oracle", "--dataset", "tiny", "--root", clips, "--metrics", "l1,psnr")
    assert result.summary.metric("psnr").mean == 100
    assert result.summary.metric("psnr").remarks == {"capped": 16}
    assert result.summary.metric("psnr").failures == {}
    assert result.summary.metric("l1").remarks == {}
    assert "16 capped" in result.out
    assert not result.record.method.ranked


def test_a_target_without_a_face_is_counted(score):
    result = score("--metrics", "l1,akd@mtcnn5,missing-face-rate", "--limit", 2)
    assert result.code == 0, result.err
    assert result.summary.metric("akd@mtcnn5").failures == {"no-face-target": 2}
    assert result.summary.metric("missing-face-rate@mtcnn5").failures == {"no-face-target": 2}
    assert result.summary.metric("l1").pairs == 2


def test_out_names_the_folder(score):
    result = score("--out", "here/mine", "--limit", 2)
    assert result.store.folder == result.cwd / "here" / "mine"
    assert not (result.cwd / "runs").exists()


def test_runs_that_start_in_one_second_have_ids_of_their_own(score, monkeypatch):
    """Also on two machines, whose folders do not meet."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(record_module, "datetime", Stopped)
    results = [score("--limit", 2, "--out", out) for out in ("here", "there")] + [score("--limit", 2)]
    ids = [result.record.run_id for result in results]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"blend-tiny-same-identity-20260102-030405-[0-9a-f]{8}", name) for name in ids)
    assert results[2].store.folder.name == ids[2]


def test_save_frames(score):
    result = score("--save-frames", "--limit", 3)
    frames = sorted((result.store.folder / "frames").iterdir())
    assert [frame.name for frame in frames] == ["000000.png", "000001.png", "000002.png"]
    assert read_image(frames[0]).shape == (48, 48, 3)
    assert not (score("--limit", 3, "--out", "without").store.folder / "frames").exists()


def test_image_size(score):
    result = score("--image-size", 20, "--limit", 1, "--save-frames")
    assert result.record.dataset.image_size == 20
    assert read_image(result.store.folder / "frames" / "000000.png").shape == (20, 20, 3)
    own = score("--set", "side=32", "--limit", 1, "--out", "own").record
    assert (own.dataset.image_size, own.method.resolution) == (32, 32)


def test_pairs_of_ones_own(score, place):
    (place / "mine.csv").write_text("source_clip,source_index,driving_clip,driving_index\nb,0,b,1\nb,0,b,2\na,1,a,1\n")
    result = score("--pairs", "mine.csv")
    assert result.record.dataset.pairs_file == "mine.csv"
    frames = result.rows[["source_clip", "source_index", "driving_clip", "driving_index"]].drop_duplicates()
    assert frames.values.tolist() == [["b", 0, "b", 1], ["b", 0, "b", 2], ["a", 1, "a", 1]]


def test_root(score, clips, tmp_path):
    shutil.copytree(clips, tmp_path / "elsewhere")
    assert score("--root", "elsewhere", "--limit", 1).code == 0


def test_variants_of_plugins_have_names_of_their_own(score):
    record = score("--method", "blend@soft", "--limit", 1).record
    assert record.method.name == "blend@soft"
    assert record.run_id.startswith("blend-soft-tiny-same-identity-")


def test_resume_without_a_run_begins_one(score):
    result = score("--resume", "--limit", 2)
    assert result.code == 0
    assert "there is no run of this command to continue; a new one begins" in result.err


def test_resume_picks_the_youngest_run_of_the_same_kind(score):
    older, other, younger = score("--limit", 2), score("--limit", 3), score("--limit", 2)
    damaged = older.cwd / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    again = score("--limit", 2, "--resume")
    assert f"continuing runs/{younger.record.run_id}" in again.err
    assert len(list((again.cwd / "runs").glob("*/run.json"))) == 4
    assert len({older.record.run_id, other.record.run_id, younger.record.run_id}) == 3


def test_a_finished_run_can_be_resumed_to_no_effect(score):
    first = score("--out", "mine")
    summary, rows = first.summary, first.rows
    again = score("--out", "mine", "--resume")
    assert again.code == 0
    assert "continuing mine" in again.err
    assert again.summary == summary
    assert again.rows.equals(rows)


def test_a_method_that_draws_at_random_gives_the_same_numbers_again(score):
    first, again = (score("--set", "noise=0.3", "--out", name).rows for name in ("first", "again"))
    assert first.equals(again)
    assert not first["value"].equals(score("--out", "plain").rows["value"])


def test_the_bar_tells_how_far_it_is(score):
    assert "16/16" in score().err


def test_python_reaches_what_the_command_line_does(score, clips):
    told = []

    class Listener(Progress):
        def advance(self, count):
            told.append(count)

    options = RunOptions("blend", "tiny", root=clips, metrics=("l1", "psnr"), batch_size=6)
    finished = run_module.run(options, Listener())
    assert finished.summary == score("--batch-size", 6).summary
    assert told == [6, 6, 4]
    assert finished.tracked is None
    assert finished.page.is_file()


@pytest.mark.parametrize("turned", [False, True])
def test_a_frame_of_another_size_is_resized_wherever_it_stands(score, clips, tmp_path, turned):
    """One odd frame among frames of the commonest size, first or last in the list: the same number, and the record
    says how many were stored in which size."""
    root = tmp_path / "odd"
    shutil.copytree(clips, root)
    pairs = list(datasets.create("tiny", root=root).split("same-identity"))
    odd = root / pairs[0].driving.clip / f"{pairs[0].driving.index}.png"
    write_png(odd, np.repeat(read_image(odd), 2, axis=0)[:24, :24])
    write_pairs(tmp_path / "list.csv", pairs[::-1] if turned else pairs)
    result = score("--root", root, "--pairs", tmp_path / "list.csv", "--out", "mine", "--metrics", "l1")
    data = result.record.dataset
    assert (data.image_size, data.resized) == (48, ("24x24",))
    assert data.stored_sizes["24x24"] == 1
    assert set(result.rows["reason"]) == {""}
    assert "frames of 24x24 were resized" in (result.store.folder / "index.html").read_text()
    assert "1 of 16 frames are stored as 24x24 and were resized to 48x48" in result.err


def test_a_home_that_cannot_be_written_costs_the_cache_and_a_line(bench, clips, place, monkeypatch):
    (place / "file").touch()
    tiny = ("run", "--method", "copy-source", "--dataset", "tiny", "--root", clips, "--metrics", "l1,missing-face-rate")
    whole = bench(*tiny, "--batch-size", 4, "--out", "whole")
    monkeypatch.setenv("TALKBENCH_HOME", str(place / "file" / "home"))
    result = bench(*tiny, "--batch-size", 4, "--out", "without")
    assert result.numbers.equals(whole.numbers)
    (warning,) = (line for line in result.err.splitlines() if line.startswith("warning"))
    assert warning.startswith("warning: features of real frames are not kept, which costs time alone: cannot write ")


def test_a_run_in_which_everything_fails_is_an_error_that_keeps_its_rows(score, place, clips, tmp_path):
    pairs = place / "pairs.csv"
    pairs.write_text("source_clip,source_index,driving_clip,driving_index\na,0,a,5\nb,0,b,5\n")
    failed = score("--pairs", pairs, "--set", "fault=nan", "--out", "failed")
    assert failed.code == 2
    assert failed.out == ""
    line = failed.err.splitlines()[-1]
    assert line.startswith(
        "bench: no number came out: not one of 2 pairs has a value of any metric; most often, 4 of 4 times: "
    )
    assert line.endswith("; the rows are in failed")
    assert len(failed.rows) == 4
    again = score("--pairs", pairs, "--set", "fault=nan", "--out", "failed", "--resume")
    assert again.code == 2
    assert score("--pairs", pairs, "--set", "fault=pair", "--metrics", "psnr", "--out", "other").code == 2


def test_rows_that_a_list_repeats_are_counted_and_noted(score, place):
    pairs = place / "pairs.csv"
    pairs.write_text("source_clip,source_index,driving_clip,driving_index\na,0,a,5\nb,0,b,5\nb,0,b,5\n")
    result = score("--pairs", pairs)
    assert result.code == 0, result.err
    assert "1 of 3 rows repeats an earlier one and counts again, the first: b 0 → b 5" in result.err.splitlines()
    assert result.summary.pairs == 3
