"""`bench verify`: an untouched run is equal in all figures; what was changed, and what cannot be checked, is named."""

import json
import re
import shutil
from pathlib import Path

import pytest

from talkbench.core.files import sha256_file
from talkbench.methods.cards import find_weights
from talkbench.results import RunStore
from talkbench.results.entries import EntryDetails, write_entry
from talkbench.results.run_store import read_rows, write_rows


def rewrite(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def rewrite_rows(folder: Path, change) -> None:
    rows = change(RunStore(folder).rows())
    for part in (folder / "rows").iterdir():
        part.unlink()
    write_rows(folder / "rows" / "part-00000.parquet", rows)


@pytest.mark.parametrize(
    "options",
    [
        ("--metrics", "l1,psnr,spread"),
        ("--task", "reconstruction", "--motion", "relative-first", "--metrics", "l1,flicker", "--limit", 5),
        ("--task", "cross-identity", "--motion", "relative-best", "--metrics", "spread", "--image-size", 32),
        ("--metrics", "l1,psnr", "--jpeg-quality", 60, "--set", "fault=nan", "--batch-size", 3),
    ],
)
def test_an_untouched_run_is_equal(score, verify, options):
    assert score("--save-frames", "--out", "run", *options).code == 0
    figures = verify("run")
    unknown = {("pairs", "rows", "sha256")} if "relative-best" in options else set()
    assert (figures.those("different"), figures.those("not checkable")) == (set(), unknown)
    for spec in RunStore("run").read_record().metrics:
        expected = RunStore("run").read_summary().metric(spec.name).mean
        mean = figures["frames", spec.name, "mean"]
        assert mean["found"] == mean["stored"] == figures["rows", spec.name, "mean"]["found"] == expected


def test_a_changed_row(run, verify):
    rewrite_rows(run, lambda rows: rows.assign(value=rows["value"].where(rows.index != 3, rows["value"] + 0.01)))
    figures = verify(run)
    changed = RunStore(run).rows()["metric"][3]
    assert figures.those("different") == {
        *(("rows", changed, name) for name in ("mean", "video_mean")),
        ("frames", changed, "values"),
    }


@pytest.mark.parametrize("pair", [0, 15])
def test_rows_of_a_pair_that_are_gone(run, verify, pair):
    rewrite_rows(run, lambda rows: rows[rows["pair"] != pair])
    figures = verify(run)
    expected = {("pairs", "rows", "pairs"), ("pairs", "rows", "sha256"), ("rows", "all metrics", "pairs")}
    assert expected | {("frames", "l1", "values"), ("rows", "psnr", "mean")} <= figures.those("different")
    assert f"pair {pair} with no row in the rows" in figures["frames", "l1", "values"]["reason"]


def test_a_changed_summary(run, verify):
    def better(content):
        content["metrics"][1] |= {"mean": content["metrics"][1]["mean"] + 1e-4, "failures": {"no-face-target": 1}}

    rewrite(run / "summary.json", better)
    figures = verify(run)
    assert figures.those("different") == {("rows", "psnr", "mean"), ("rows", "psnr", "failures")}
    mean = figures["frames", "psnr", "mean"]
    assert (mean["state"], mean["reason"]) == ("equal", "in the printed digits only")


def test_a_summary_of_other_metrics(run, verify):
    rewrite(run / "summary.json", lambda content: content["metrics"][0].update(metric="lpips"))
    assert {("rows", "lpips", "metric"), ("rows", "l1", "metric")} <= verify(run).those("different")


def test_a_changed_record(run, verify):
    def praised(content):
        content["metrics"][0] |= {"direction": "higher", "decimals": 2}
        content["dataset"]["pairs_sha256"] = 64 * "0"
        content["protocol"]["sha256"] = 64 * "1"

    rewrite(run / "run.json", praised)
    figures = verify(run)
    ids = {("record", metric, "protocol id") for metric in ("l1", "psnr", "spread")}
    pairs = {("pairs", "rows", "sha256"), ("pairs", "tiny", "sha256")}
    assert figures.those("different") == {
        *ids, *pairs, ("record", "talkbench-1", "protocol"), ("metrics", "l1", "definition")
    }  # fmt: skip
    definition = figures["metrics", "l1", "definition"]
    assert definition["stored"] == {"direction": "higher", "decimals": 2}
    assert definition["found"] == {"direction": "lower", "decimals": 4}
    assert "same-identity, here are not those of the run" in figures["frames", "l1", "mean"]["reason"]


def test_a_metric_that_the_record_does_not_list(run, verify):
    rewrite(run / "run.json", lambda content: content["metrics"].pop(0))
    assert "which run.json does not list" in verify(run)["rows", "all metrics", "metrics"]["reason"]


def test_numbers_of_another_version_are_not_held_against_a_run(run, verify):
    def older(content):
        content["metrics"][0]["version"] += 1
        content.pop("protocol_ids")

    rewrite(run / "run.json", older)
    rewrite_rows(run, lambda rows: rows.assign(value=rows["value"].where(rows["metric"] != "l1", rows["value"] / 2)))
    figures = verify(run)
    assert ("metrics", "l1", "definition") in figures.those("not checkable")
    assert figures["frames", "l1", "values"]["state"] == "not checkable"
    assert figures["frames", "l1", "values"]["reason"].startswith("computed otherwise here: version 2 in the record")
    assert figures["frames", "psnr", "values"]["state"] == "equal"


# What is not here


def test_without_frames(run, verify):
    shutil.rmtree(run / "frames")
    figures = verify(run)
    assert figures.those("not checkable") == {("frames", metric, "mean") for metric in ("l1", "psnr", "spread")}
    assert figures["frames", "l1", "mean"]["reason"].startswith(f"{run / 'frames'} is missing; ")


def test_without_the_data(run, verify, place):
    figures = verify(run, "--root", place / "nowhere")
    assert figures.those("different") == set()
    assert figures["pairs", "rows", "sha256"]["state"] == "equal"
    assert {("pairs", "tiny", "sha256"), ("frames", "l1", "mean")} <= figures.those("not checkable")


def test_without_the_pair_list(score, verify, place):
    (place / "mine.csv").write_text("source_clip,source_index,driving_clip,driving_index\na,0,b,3\na,0,b,4\n")
    assert score("--pairs", "mine.csv", "--save-frames", "--out", "run").code == 0
    assert verify("run").those("not checkable") == set()
    (place / "mine.csv").rename("other.csv")
    figures = verify("run")
    unknown = {("pairs", "tiny", "sha256"), ("frames", "l1", "mean"), ("frames", "psnr", "mean")}
    assert figures.those("not checkable") == unknown
    assert {figures[key]["reason"] for key in unknown} == {"the pair list mine.csv is missing; name it with --pairs"}
    assert verify("run", "--pairs", "other.csv").those("not checkable") == set()
    (place / "other.csv").write_text("source_clip,source_index,driving_clip,driving_index\na,0,b,5\na,0,b,4\n")
    other = verify("run", "--pairs", "other.csv")
    assert other.those("different") == {("pairs", "tiny", "sha256"), ("pairs", "tiny", "list_sha256")}
    assert other["frames", "l1", "mean"]["state"] == "not checkable"


def test_without_the_features_of_a_set(run, verify):
    shutil.rmtree(run / "features")
    figures = verify(run)
    assert figures.those("not checkable") == {("rows", "spread", "mean")}
    assert figures["frames", "spread", "mean"]["state"] == "equal"


def test_without_the_weights_of_a_metric(run, verify):
    """And without the metric itself."""

    def unknown(content):
        content["metrics"] += [{**content["metrics"][0], "name": name} for name in ("csim@arcface-r50", "beauty")]

    rewrite(run / "run.json", unknown)
    figures = verify(run)
    for name, reason in {"csim@arcface-r50": "arcface_r50.safetensors", "beauty": "unknown metric 'beauty'"}.items():
        for key in (("metrics", name, "definition"), ("frames", name, "mean")):
            assert figures[key]["state"] == "not checkable"
            assert reason in figures[key]["reason"]
    assert figures["frames", "l1", "values"]["state"] == "equal"


def test_the_weights_of_the_method(run, verify, place):
    path = find_weights("mcnet@demo").path
    right = sha256_file(path)
    shutil.copy(path, place / "mine.safetensors")

    def state(name, checkpoint, *options, sha256=right):
        weights = {"name": name, "checkpoint": checkpoint, "checkpoint_sha256": sha256}
        rewrite(run / "run.json", lambda content: content["method"].update(weights))
        figure = verify(run, *options)["weights", name, "sha256"]
        return figure["state"], figure["reason"]

    assert state("mcnet@demo", path.name) == ("equal", "")
    assert state("mcnet@demo", path.name, sha256=64 * "0") == ("different", "")
    missing = ("not checkable", "mine.safetensors is missing; name the file with --checkpoint")
    assert state("mcnet@demo", "mine.safetensors") == missing
    assert state("mcnet@demo", "mine.safetensors", "--checkpoint", "mine.safetensors") == ("equal", "")
    assert "vox-cpk.pth.tar" in state("fomm@vox-256", "vox-cpk.pth.tar")[1]
    assert state("strange", "its.pth")[0] == "not checkable"


# Entries


@pytest.fixture
def entry(run):
    store = RunStore(run)
    details = EntryDetails(name="mine", label="Mine", frames_per_second=2.5, device="a toaster")
    write_entry(Path("entries"), details, store.read_record(), store.read_summary(), store.rows(), {})
    return Path("entries/mine")


def test_an_entry(entry, run, verify):
    figures = verify(entry)
    assert figures.those("different") == set()
    assert figures["method", "blend", "frames per second"]["reason"].startswith("measured on a toaster; ")
    files = {key for key in figures if key[0] == "files"}
    assert files == {("files", name, "sha256") for name in ("run.json", "summary.json", "rows.parquet")}
    assert {("rows", "spread", "mean"), ("frames", "l1", "mean")} <= figures.those("not checkable")
    with_frames = verify(entry, "--frames", run / "frames")
    assert with_frames.those("not checkable") == {("rows", "spread", "mean"), ("method", "blend", "frames per second")}


def test_a_changed_entry(entry, bench, verify):
    rewrite(entry / "run.json", lambda content: content.update(device_name="a better one"))
    (entry / "notes.txt").write_text("of no use")
    figures = verify(entry)
    assert figures.those("different") == {("files", "run.json", "sha256"), ("files", "notes.txt", "sha256")}
    rewrite(entry / "entry.json", lambda content: content.update(parameters=5))
    assert ("method", "blend", "parameters") in verify(entry).those("different")
    (entry / "summary.json").unlink()
    assert "summary.json" in bench("verify", entry).complaint()


# What is printed


def test_the_sheet(run, bench, clips):
    result = bench("verify", run, "--root", clips)
    assert (result.code, result.out.count("\n")) == (0, 1)
    assert re.fullmatch(r".*run: \d+ numbers, all as stated\n", result.out)
    result = bench("verify", run, "--root", clips, "-v")
    lines = [[cell.strip() for cell in line.split("│")] for line in result.out.splitlines() if "│" in line]
    mean = f"{RunStore(run).read_summary().metric('psnr').mean:.7g}"
    assert ["", "frames", "psnr", "values, mean", "equal", mean, ""] in lines
    rewrite(run / "summary.json", lambda content: content["metrics"][1].update(mean=0.5))
    shutil.copytree(run, "runs/one")
    shutil.copytree(run, "runs/two")
    result = bench("verify", "runs", "--root", clips)
    assert result.code == 1
    assert result.out.count(f"0.5 is recorded, {mean} found") == 4
    assert "runs/one: " in result.out
    assert " equal " not in result.out


def test_what_strangers_write(entry, bench, clips):
    """Names that would steer the terminal; protocol ids that are none."""

    def odd(content):
        content["metrics"][0]["name"] = "\x1b[31mred\n"
        content["protocol_ids"] = ["l1"]

    rewrite(entry / "run.json", odd)
    result = bench("verify", entry, "--root", clips)
    assert result.code == 1, result.err
    assert r"\x1b[31mred\n" in result.out
    assert "\x1b[31mred" not in result.out
    rows = read_rows(entry / "rows.parquet", "").to_pandas()
    write_rows(entry / "rows.parquet", rows.assign(metric=rows["metric"].where(rows["pair"] > 0, None)))
    assert "has rows with empty cells" in bench("verify", entry).complaint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nowhere",), "there is no nowhere; give the folder of a run"),
        (("run", "--frames", "nowhere"), "--frames nowhere is not a folder"),
        (("run", "run", "--frames", "frames"), "--frames is for a single result; verify the 2 results one by one"),
        (("run", "--checkpoint", "x.pth"), "--checkpoint x.pth is not a file"),
        (("run", "--checkpoint", "run/run.json"), "run was made without weights; leave --checkpoint out"),
        (("run", "--device", "warp"), "device 'warp' cannot be used here"),
        (("unfinished",), "unfinished holds no finished run: summary.json is missing"),
        (("damaged",), "part-00000.parquet is damaged"),
        ((), "Missing argument 'RESULTS...'"),
    ],
)
def test_wrong_input(run, bench, options, message):
    for name in ("unfinished", "damaged"):
        shutil.copytree(run, name)
    Path("unfinished/summary.json").unlink()
    Path("damaged/rows/part-00000.parquet").write_bytes(b"PAR1")
    assert message in bench("verify", *options).complaint()
