"""`bench run --shard` and `bench merge`: together they give what a run of all pairs gives."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.results import load

CLIP = ("--task", "reconstruction", "--batch-size", 2, "--metrics", "l1,flicker", "--videos", 1)


def contents(folder: Path, *patterns: str) -> dict[str, bytes]:
    paths = [path for pattern in patterns for path in sorted(folder.rglob(pattern))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def shards(score):
    """Runs the shards of a run into folders, as the steps of a job array do."""

    def run(name, count, *options):
        for index in range(1, count + 1):
            ended = score(*options, "--shard", f"{index}/{count}", "--out", f"{name}/{index}")
            assert ended.code == 0, ended.err
            assert f"shard   {index}/{count}, " in ended.out
        return [Path(name) / str(index) for index in range(1, count + 1)]

    return run


@pytest.mark.parametrize(
    "options", [CLIP, ("--batch-size", 3, "--set", "noise=0.3", "--save-frames")], ids=["a video", "pairs"]
)
def test_the_same_run(score, bench, shards, clips, options):
    whole = score(*options, "--out", "whole")
    folders = shards("shards", 3, *options)
    merged = bench("merge", *folders[::-1], "--root", clips, "--out", "merged", "--videos", int(options == CLIP))
    assert merged.code == 0, merged.err
    assert merged.rows.equals(whole.rows)
    assert merged.summary == whole.summary
    same = ("*.png", "table.md", "summary.json", "clips.json")
    assert contents(Path("merged"), *same) == contents(Path("whole"), *same)
    first, second = merged.record, whole.record
    assert first.differences(second) == []
    assert first.dataset == second.dataset
    assert (first.random, first.shard) == (second.random, "")
    assert not {"--shard", "--out"} & set(first.command.split())
    page = Path("merged/index.html").read_text()
    assert page.count("<figure") == Path("whole/index.html").read_text().count("<figure")
    assert score(*options, "--out", "merged", "--resume").code == 0


def test_a_shard_is_no_run(score, bench, shards):
    folders = shards("runs", 2, "--batch-size", 4)
    with pytest.raises(TalkbenchError, match="runs/1 is shard 1/2 of a run; put the shards together with bench merge"):
        load("runs/1")
    assert "8 not evaluated yet" in " ".join(bench("show", "runs/1").out.split())
    assert bench("results", "export", folders[0], "--out", "entries").code == 2
    assert not list(Path("runs").glob("*/index.html"))
    compared = bench("compare", *folders).complaint()
    assert "is shard 1/2 of a run and" in compared
    assert compared.endswith("put the shards together with bench merge")
    again = score("--batch-size", 4, "--shard", "1/2", "--out", "runs/1", "--resume")
    assert again.code == 0, again.err
    other = score("--batch-size", 4, "--shard", "2/2", "--out", "runs/1", "--resume").complaint()
    assert "made otherwise (shard: 1/2 / 2/2)" in other


def test_shards_lie_where_the_merged_run_does(score, bench):
    """Without --out all are below runs, each under an id of its own."""
    for index in (1, 2):
        score("--limit", 4, "--batch-size", 2, "--shard", f"{index}/2")
    shards = sorted(Path("runs").glob("blend-*"))
    merged = bench("merge", *shards)
    assert merged.code == 0, merged.err
    assert len({path.name for path in Path("runs").glob("blend-*")}) == 3


def test_what_are_no_shards_of_one_run_is_refused(score, bench, shards):
    first, second, _third = shards("shards", 3, "--batch-size", 2, "--limit", 6)
    assert bench("merge", first, second).complaint() == "bench: 1 of 3 shards are missing: 3/3"
    shutil.copytree(second, "twice")
    twice = bench("merge", first, second, "twice").complaint()
    assert twice == "bench: shards/2 and twice are both shard 2/3; leave one out"
    whole = score("--out", "whole", "--limit", 6).store.folder
    assert "is no shard: it was run without --shard" in bench("merge", first, whole).complaint()
    (other,) = shards("other", 1, "--limit", 6, "--set", "noise=0.1", "--batch-size", 2)
    assert "are of two runs (method.settings.noise: 0.0 / 0.1)" in bench("merge", first, other).complaint()
    path = second / "run.json"
    record = json.loads(path.read_text())
    record["dataset"]["data_id"] = ""
    path.write_text(json.dumps(record))
    assert "shards/2, shard 2/3, has not ended" in bench("merge", first, second).complaint()
    assert not Path("runs").exists()


def test_a_shard_must_be_one(score):
    for text in ("0/2", "3/2", "half", "1/0"):
        assert f"--shard '{text}': write which part of how many" in score("--shard", text).complaint()
    assert "the pairs are only 2 batches" in score("--shard", "1/3", "--batch-size", 8).err


def test_the_manuals_job_array(place, clips, bench, monkeypatch):
    """Its tasks as processes, on a data set of the tests."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "engines.md").read_text(encoding="utf-8")
    (script,) = (block for block in page.split("```") if block.startswith("bash\n#!/bin/bash\n"))
    script = script.removeprefix("bash\n").replace("--method mcnet --dataset hdtf", "--method blend --dataset tiny")
    script = script.replace("--root data/hdtf", f"--root {clips} --metrics l1,psnr --videos 0 --batch-size 4")
    Path("array.sh").write_text(script)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    tasks = [
        subprocess.Popen(
            ["bash", "array.sh"],
            env={
                **os.environ,
                "SLURM_ARRAY_TASK_ID": str(index),
                "SLURM_ARRAY_TASK_COUNT": "2",
                "SLURM_CPUS_PER_TASK": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (1, 2)
    ]
    for task in tasks:
        _, err = task.communicate(timeout=100)
        assert task.returncode == 0, err
    merged = bench("merge", *sorted(Path("shards").iterdir()), "--out", "merged")
    assert merged.code == 0, merged.err
    assert merged.summary.pairs == 16
