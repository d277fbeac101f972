"""`bench results`: from a run to an entry and back, and to other programs' formats."""

import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from site_entries import spec, write

from talkbench import datasets, results
from talkbench.benchmark.perf.methods import COLUMNS, Setting
from talkbench.benchmark.sharing.export_entry import ExportOptions, describe
from talkbench.core.dataset_cards import DatasetCard
from talkbench.core.images import read_image, resize
from talkbench.methods.cards import card
from talkbench.results.entries import Entry
from talkbench.results.json_schema import json_schema
from talkbench.results.run_store import RunStore

NAME = "blend--tiny--same-identity--absolute"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the run that the tests share is kept."""
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.fixture
def run(score, kept, place):
    """A finished run of all 16 pairs, with its frames, in ``run``."""
    if not kept.exists():
        assert score("--out", kept, "--save-frames").code == 0
    return RunStore(shutil.copytree(kept, place / "run"))


@pytest.fixture
def export(bench, clips):
    return lambda *options: bench("results", "export", "run", "--root", clips, "--out", "entries", *options)


def exported(result) -> Entry:
    assert result.code == 0, result.err
    return Entry.load(next((result.cwd / "entries").iterdir()))


def test_there_and_back(run, export, bench, place):
    result = export()
    entry = exported(result)
    assert result.out == f"entry   entries/{NAME}   ({size(entry.folder)}, 12 pairs and 2 clips shown)\n"
    assert (entry.info.name, entry.info.label, entry.info.leakage) == (NAME, "blend", False)
    assert entry.info.note == "The mean of source and driving frame"
    assert entry.record.method == run.read_record().method
    assert entry.record.protocol_ids == run.read_record().protocol_ids
    assert entry.summary == run.read_summary()
    assert entry.rows().equals(run.rows())
    assert str(place) not in (entry.folder / "run.json").read_text()
    checked = bench("results", "validate", "entries")
    what = f"blend, tiny same-identity, 16 pairs, 2 metrics, {size(entry.folder)}"
    assert checked.code == 0
    sound, remarks = checked.out.splitlines()
    assert sound == f"sound   entries/{NAME}   ({what})"
    assert remarks.startswith("  but: only 16 pairs; only 2 driving clips; 2 of 20 metrics of talkbench-1")
    shutil.move(place / "entries", place / "received")
    taken = bench("results", "import", f"received/{NAME}", "--out", "entries")
    assert (taken.code, taken.out) == (0, f"entry   entries/{NAME}\n")
    assert results.load("run")["value"].equals(results.load("entries")["value"])
    assert "same thing" in bench("results", "import", f"received/{NAME}", "--out", "entries").complaint()


def values(run: RunStore, metric: str) -> pd.Series:
    rows = run.rows()
    return rows[rows["metric"] == metric].set_index("pair")["value"]


def size(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.rglob('*.*')) / 1e6:.2f} MB"


def test_no_thumbnail_shows_a_clip_of_which_no_picture_is_published(run, export, monkeypatch):
    monkeypatch.setattr(DatasetCard, "may_show", lambda card, *names: "a" not in names)
    result = export()
    assert result.err.splitlines() == [
        "1 clip in place of 2: of the others no picture is published",
        "no thumbnail and no clip shows a: no picture of these clips is published",
    ]
    rows = run.rows()
    info = exported(result).info
    pairs = {item.pair for item in info.thumbnails} | {pair for clip in info.clips for pair in clip.pairs}
    shown = rows[rows["pair"].isin(pairs)]
    assert set(shown["source_clip"]) == set(shown["driving_clip"]) == {"b"}


def test_thumbnails_show_the_best_the_worst_and_some_between(run, export, clips, place):
    entry = exported(export("--thumbnails", 3))
    l1 = values(run, "l1").sort_values(kind="stable")
    numbers = [item.pair for item in entry.info.thumbnails]
    assert len(numbers) == 3
    assert {l1.index[0], l1.index[-1]} < set(numbers)
    rows = run.rows().drop_duplicates("pair").set_index("pair")
    for item in entry.info.thumbnails:
        row = rows.loc[item.pair]
        real = read_image(clips / row["source_clip"] / f"{row['source_index']}.png")
        for name, truth in (
            (item.source, real),
            (item.driving, read_image(clips / row["driving_clip"] / f"{row['driving_index']}.png")),
            (item.generated, read_image(place / "run" / "frames" / f"{item.pair:06d}.png")),
        ):
            shown = read_image(entry.folder / name)
            assert shown.shape == truth.shape == (48, 48, 3)
            assert np.abs(shown.astype(float) - truth).mean() < 6


def test_large_frames_become_small_thumbnails(bench, score, clips, place):
    score("--out", "run", "--save-frames", "--image-size", 320, "--limit", 2)
    entry = exported(bench("results", "export", "run", "--root", clips, "--out", "entries"))
    shown = read_image(entry.folder / entry.info.thumbnails[0].generated)
    frame = read_image(place / "run" / "frames" / "000000.png")
    assert shown.shape == (256, 256, 3)
    assert np.abs(shown.astype(float) - resize(frame, 256)).mean() < 6


def test_a_run_without_frames_has_no_thumbnails(score, export):
    score("--out", "run")
    result = export()
    assert exported(result).info.thumbnails == ()
    assert (
        result.err
        == "run has no saved frames, so the entry has no thumbnails and no clips; save frames with bench run "
        "--save-frames\n"
    )


def test_frames_of_a_data_set_that_is_elsewhere(run, bench, export):
    options = ("results", "export", "run", "--out", "entries", "--root", "nowhere")
    assert "--root" in bench(*options).complaint()
    info = exported(bench(*options, "--thumbnails", 0)).info
    assert info.thumbnails == info.clips == (), "neither shows people"


def test_clips_can_be_left_out_and_are_reviewed(run, export, bench):
    entry = exported(export())
    rows = run.rows().drop_duplicates("pair").set_index("pair")
    for clip in entry.info.clips:
        frames = rows.loc[list(clip.pairs)]
        assert (frames["driving_index"].diff().dropna() == 1).all(), "whatever the order of the list"
    assert "clips     " in (review := bench("results", "review", entry.folder).out)
    assert "source, driving and generated frames, " in " ".join(review.split())
    assert bench("results", "validate", "entries").code == 0
    shutil.rmtree("entries")
    info = exported(export("--clips", 0)).info
    assert (len(info.thumbnails), info.clips) == (12, ())


def test_what_the_user_says(run, export, place):
    said = {
        "name": "mine.1", "label": "<b>Mine</b> $x$", "paper": "https://example.org/p?a=1", "code": "http://example.org",
        "licence": "MIT", "year": 2024, "training-data": "tiny, and my own videos", "parameters": 12, "note": "a & b",
    }  # fmt: skip
    options = [text for option, value in said.items() for text in (f"--{option}", value)]
    info = exported(export(*options, "--speed", 31.5, "NVIDIA H200")).info
    assert info.model_dump(include={"name", "label", "licence", "year", "parameters", "note"}) == {
        name: said[name] for name in ("name", "label", "licence", "year", "parameters", "note")
    }
    assert (info.links.paper, info.links.code) == (said["paper"], said["code"])
    assert (info.training_data, info.frames_per_second, info.device) == (said["training-data"], 31.5, "NVIDIA H200")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--paper", "javascript:alert(1)"), "--paper 'javascript:alert(1)': string should match"),
        (("--label", "x" * 81), "--label"),
        (("--label", ""), "--label ''"),
        (("--note", "a\nb"), "--note"),
        (("--name", "../outside"), "--name '../outside'"),
        (("--year", 1), "--year 1"),
        (("--speed", "nan", "CPU"), "--frames-per-second nan"),
        (("--perf", "perf.csv"), "cannot read perf.csv"),
        (("--pairs",), "--pairs goes with --format csv, parquet, json"),
    ],
)
def test_what_an_entry_does_not_hold(run, export, options, message):
    assert message in export(*options).complaint()


def test_speed_from_a_measurement(run, export, place):
    setting = Setting("blend", "float32", 1, 48, "NVIDIA H200", 1, "2.9", "0.1.0")
    rows = [
        {**asdict(setting), "mode": mode, "frames_per_second": 31.5, "parameters": 7} for mode in ("bf16", "float32")
    ]
    rows[0]["frames_per_second"] = 63
    pd.DataFrame(rows, columns=COLUMNS).to_csv(place / "perf.csv", index=False)
    info = exported(export("--perf", "perf.csv")).info
    assert (info.frames_per_second, info.device, info.parameters) == (31.5, "NVIDIA H200", 7)
    (place / "other.csv").write_text((place / "perf.csv").read_text().replace("blend", "other"))
    assert "other.csv has no row of blend" in export("--perf", "other.csv", "--name", "again").complaint()
    table = pd.read_csv(place / "perf.csv").assign(parameters=0, frames_per_second=1e6)
    table.to_csv(place / "nothing.csv", index=False)
    assert export("--perf", "nothing.csv", "--name", "nothing").code == 0
    info = Entry.load(place / "entries/nothing").info
    assert info.frames_per_second is None, "what computes nothing has no speed"


def test_runs_that_cannot_be_exported(run, export, bench, place):
    assert "entries/mine is there already" in (export("--name", "mine"), export("--name", "mine"))[1].complaint()
    next((place / "run" / "rows").iterdir()).unlink()
    assert "run is not finished; finish it with bench run --resume" in export().complaint()
    (place / "run" / "summary.json").unlink()
    assert "summary.json is missing" in export().complaint()
    assert "run.json is missing" in bench("results", "export", "nowhere").complaint()
    assert not (place / "entries" / NAME).exists()


def test_frames_of_another_program(run, bench, clips, place):
    data = ("--dataset", "tiny", "--root", clips, "--metrics", "l1")
    assert bench("run", "--frames", "run/frames", "--name", "mine", *data, "--save-frames", "--out", "mine").code == 0
    options = ("results", "export", "mine", "--root", clips, "--out")
    for number, (trained, leakage) in enumerate(
        [("", None), ("voxceleb1", False), ("voxceleb1, tiny", True), ("my videos", None), ("my videos, tiny", True)]
    ):
        assert bench(*options, str(number), "--training-data", trained).code == 0
        info = Entry.load(place / str(number) / "mine--tiny--same-identity--absolute").info
        assert (info.label, info.parameters, info.leakage) == ("mine", None, leakage)


@pytest.mark.parametrize("training", ["", ", step 1000 of the training mcnet-20260101-120000-0a1b2c3d"])
def test_what_the_card_of_a_method_says(tmp_path, training):
    source = card("mcnet@demo").weights.source + training
    method = {"checkpoint": "demo.safetensors", "checkpoint_sha256": "c" * 64, "origin": source}
    record = write(tmp_path, "x", info=method, pictured=()).record
    said = describe(record, ExportOptions())
    assert (said.name, said.label) == ("mcnet.demo--demo--same-identity--absolute", "mcnet@demo")
    assert (said.year, said.links.paper) == (2023, "https://arxiv.org/abs/2307.09906")
    assert said.parameters == 1899564
    assert (said.training_data, said.leakage) == ("demo", True)  # other frames, but the same two people
    assert "weights: Apache-2.0" in said.licence
    other = record.model_copy(update={"method": record.method.model_copy(update={"origin": "checkpoint x.pth"})})
    said = describe(other, ExportOptions())
    assert (said.training_data, said.leakage) == ("", None)


def test_people_who_are_meant_to_be_seen_are_no_leakage(tmp_path):
    method = {"checkpoint": "mine.safetensors", "checkpoint_sha256": "c" * 64}
    record = write(tmp_path, "x", info=method, pictured=()).record
    official = datasets.create("voxceleb1-seen").card.lists["voxceleb1-seen"].sha256
    for sha256, trained, leakage in (
        (official, "voxceleb1-seen", False),
        (official, "voxceleb1", True),
        (official, "hdtf", False),
        ("b" * 64, "voxceleb1-seen", True),
    ):
        data = record.dataset.model_copy(update={"name": "voxceleb1-seen", "list_sha256": sha256})
        said = describe(record.model_copy(update={"dataset": data}), ExportOptions(training_data=trained))
        assert (trained, said.leakage) == (trained, leakage)


def test_a_screen_for_a_reviewer(run, export, bench, place):
    export("--name", "mine", "--label", "Mine", "--note", "a note")
    shown = bench("results", "review", "entries/mine").out
    lines = [line.split(maxsplit=1) for line in shown.splitlines() if line.strip()]
    facts = {label: text.strip() for label, text in (line for line in lines if len(line) == 2)}
    assert lines[0] == ["entries/mine"]
    assert facts["who"] == "Mine (method blend)"
    assert facts["what"].startswith("tiny, same-identity, absolute: 16 pairs of 2 driving clips, 48x48")
    assert facts["metric"].split()[:5] == ["mean", "95", "%", "interval", "pairs"]
    assert facts["psnr"].split()[:2] == [f"{run.read_summary().metric('psnr').mean:.2f}", "none"]  # of two people
    assert "label 'Mine' differs from the method 'blend'" in shown
    assert "entries/mine/thumbnails: source, driving and generated frame of pairs" in facts["pictures"]
    (place / "entries" / "mine" / "x.sh").write_text("")
    assert "x.sh is not listed" in bench("results", "review", "entries/mine").complaint()


def test_a_folder_of_something_else_is_told(run, bench):
    for action in ("validate", "review", "import"):
        assert "run is a run's folder; export it with" in bench("results", action, "run").complaint()
    Path("README.md").write_text("")
    assert "README.md is not a folder but a file" in bench("results", "validate", "README.md").complaint()


def test_every_fault_is_a_line_and_the_exit_code_two(run, export, bench, place):
    export("--name", "bad", "--thumbnails", 0)
    write(place / "entries", "good", pictured=())
    (place / "entries" / "bad" / "summary.json").unlink()
    (place / "entries" / "bad" / "x.sh").write_text("")
    result = bench("results", "validate", "entries")
    assert result.code == 2
    assert [line.split()[:2] for line in result.out.splitlines()] == [["sound", "entries/good"], ["but:", "24"]]
    assert result.err.splitlines() == [
        "bench: entries/bad/x.sh is not listed in entry.json; remove it or export the run again",
        "bench: entries/bad/summary.json is missing; fetch the entry anew or export the run again",
    ]
    assert "x.sh is not listed" in bench("results", "import", "entries/bad").complaint()
    assert "holds no entry" in bench("results", "validate", "run/rows").complaint()


def test_tables_for_other_programs(run, bench, place):
    frame = results.load("run")
    assert list(frame["value"]) == [run.read_summary().metric(name).mean for name in ("l1", "psnr")]
    whole = partial(pd.read_json, precise_float=True)
    for form, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet), ("json", whole)):
        written = bench("results", "export", "run", "--format", form, "--out", "out")
        assert written.out == f"{form:<7} out\n"
        assert list(read(place / "out")["value"]) == list(frame["value"])
        bench("results", "export", "run", "--format", form, "--out", "out", "--pairs")
        found = read(place / "out")
        assert list(found.loc[found["metric"] == "psnr", "value"]) == list(values(run, "psnr"))
    assert bench("results", "export", "run", "--format", "csv").out.startswith("run,method,dataset,")
    assert "blend" in bench("results", "export", "run", "--format", "latex").out
    assert "--out" in bench("results", "export", "run", "--format", "parquet").complaint()
    assert "--pairs" in bench("results", "export", "run", "--format", "hf", "--pairs").complaint()
    assert "there is no finished run in" in bench("results", "export", "run/rows", "--format", "csv").complaint()


def test_no_text_becomes_code(bench, place):
    texts = ["=HYPERLINK(1)", r"\input{/etc/passwd}", "x: !!python/object:os.system"]
    metrics = [spec("l1", unit="<script>"), spec("psnr", decimals=2)]
    for number, name in enumerate(texts):
        write(place / "entries", f"e{number}", method=name, metrics=metrics, pictured=(), run_id=f"run {number}")
    export = ("results", "export", "entries", "--format")
    frame = pd.read_csv(pd.io.common.StringIO(bench(*export, "csv").out))
    assert list(frame["method"].unique()) == ["'=HYPERLINK(1)", *texts[1:]]
    assert {item["method"] for item in json.loads(bench(*export, "json").out)} == set(texts)
    latex = bench(*export, "latex").out
    assert r"\textbackslash{}input\{/etc/passwd\}" in latex
    assert r"\input" not in latex
    import yaml

    (card,) = list(yaml.safe_load_all(bench(*export, "hf").out))[:1]
    assert [model["name"] for model in card["model-index"]] == texts


def test_the_schema(bench, place):
    assert bench("results", "schema").out == json_schema()
    assert bench("results", "schema", "--out", "schema.json").out == "schema  schema.json\n"
    assert (place / "schema.json").read_text() == json_schema()
