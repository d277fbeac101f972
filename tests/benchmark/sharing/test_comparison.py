"""`bench compare` as a user runs it: the table, the page, the picture, and what it refuses."""

import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from talkbench.benchmark.sharing.clusters import clusters_of, ranges_of
from talkbench.results import Row, RunStore

METHODS = ("copy-source", "blend")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def runs(score, kept, place):
    """Two methods on the same pairs, as folders; scored once."""
    for method in METHODS:
        if not (kept / method).exists():
            assert score("--method", method, "--out", kept / method).code == 0
        shutil.copytree(kept / method, place / method)
    return METHODS


def altered(run, folder, change=lambda row: {}, metrics=None, **data):
    """A copy of a run with other rows, metrics or data; its folder."""
    store, copy = RunStore(run), RunStore(folder)
    record = store.read_record()
    fields = {"run_id": folder, "dataset": record.dataset.model_copy(update=data), "metrics": metrics or record.metrics}
    copy.write_record(record.model_copy(update=fields))
    known = {spec.name for spec in fields["metrics"]}
    rows = [row for row in store.rows().to_dict("records") if row["metric"] in known]
    copy.append([Row.model_validate({**row, **change(row)}) for row in rows])
    return folder


def compared(text: str) -> list[dict[str, str]]:
    """The lines of the metrics in a table as CSV, without those of single people."""
    return [line for line in csv.DictReader(io.StringIO(text)) if line["line"] == "measured"]


def values(run: str, metric: str) -> np.ndarray:
    rows = RunStore(run).rows()
    return rows[rows["metric"] == metric]["value"].to_numpy()


def test_the_table_says_how_much_how_sure_and_of_how_many(bench, runs):
    result = bench("compare", *runs, "--format", "csv")
    assert result.code == 0, result.err
    l1, psnr = compared(result.out)
    assert (l1["metric"], psnr["metric"]) == ("l1 ↓", "psnr (dB) ↑")
    copied, blended = values("copy-source", "l1"), values("blend", "l1")
    assert l1["copy-source"] == f"{copied.mean():.4f}"
    assert float(l1["difference"]) == pytest.approx((copied - blended).mean(), abs=6e-6)
    assert (l1["p"], l1["p (Holm)"]) == ("0.5000", "1.0000")  # two clips, whatever they show
    assert (l1["interval (95 %)"], l1["pairs/clusters"]) == ("", f"{len(copied)}/2")
    assert psnr["coverage"] == "100.0 %"
    assert "2 clusters: p is at least 0.5" in " ".join(bench("compare", *runs).out.split())


def test_pairs_that_one_run_lacks_are_left_out_and_counted(bench, runs):
    equal = {"value": float("inf")}  # the PSNR of equal images
    lacking = altered("blend", "lacking", lambda row: equal if (row["pair"], row["metric"]) == (3, "psnr") else {})
    shown = " ".join(bench("compare", "copy-source", lacking).out.split())
    assert "Pairs left out of psnr: 1 infinite in blend." in shown
    (psnr,) = compared(bench("compare", "copy-source", lacking, "--metrics", "psnr", "--format", "csv").out)
    copied = values("copy-source", "psnr")
    assert psnr["copy-source"] == f"{np.delete(copied, 3).mean():.2f}"
    assert psnr["pairs/clusters"] == f"{len(copied) - 1}/2"
    assert psnr["coverage"] != "100.0 %"


def test_people_are_the_clusters_and_the_better_is_bold(bench, runs):
    """Twenty-four clips of voxceleb1 that show eight people, and one method better on all of them."""

    def place(row):
        clip = f"id{row['pair'] % 8:05d}#x#{row['pair'] % 24:06d}#000100.mp4"
        return {"source_clip": clip, "driving_clip": clip, "driving_index": row["pair"]}

    good = altered("blend", "good", lambda row: place(row) | {"value": 0.01 * row["pair"] % 3}, name="voxceleb1")
    bad = altered("good", "bad", lambda row: {"value": row["value"] + 1 + 0.01 * (row["pair"] % 5)})
    shown = bench("compare", good, bad, "--metrics", "l1", "--format", "markdown").out
    (line,) = [line for line in shown.splitlines() if line.startswith("| l1")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1].startswith("**")
    assert cells[5] == cells[6] == "0.0078"  # 2 / 2**8
    assert cells[7].endswith("/8")
    assert " ".join(bench("tables", good, "--measured", "--intervals").out.split()).count("/8") == 2


def test_few_people_are_shown_one_by_one_in_place_of_an_interval(bench, runs, place):
    """Two clips, compared as they are, and crossed with six sources."""
    result = bench("compare", *runs, "--metrics", "l1", "--format", "csv", "--out", "page.html")
    lines = list(csv.DictReader(io.StringIO(result.out)))
    rows = {run: RunStore(run).rows() for run in runs}
    for line in lines[1:]:
        clip = line["line"].removeprefix("person ")
        copied, blended = (r[(r["metric"] == "l1") & (r["driving_clip"] == clip)]["value"] for r in rows.values())
        assert float(line["difference"]) == pytest.approx(copied.mean() - blended.mean(), abs=6e-6)
        assert line["pairs/clusters"] == str(len(copied))
        assert f">{clip}<" in (place / "page.html").read_text()
    assert len(lines) == 3

    def crossed(row):
        return {"source_clip": f"s{row['pair'] % 6}"}

    both = [altered(run, f"crossed {run}", crossed) for run in runs]
    shown = " ".join(bench("compare", *both, "--metrics", "l1").out.split())
    assert "6 source people and 2 driving people: too few for a test" in shown
    lines = list(csv.DictReader(io.StringIO(bench("compare", *both, "--metrics", "l1", "--format", "csv").out)))
    assert (lines[0]["pairs/clusters"], lines[0]["p"]) == (f"{len(copied) + len(copied)}/6×2", "")
    assert [line["line"].split()[:2] for line in lines[1:]] == [["driving", "person"]] * 2
    alone = [altered(run, f"alone {run}", lambda row: {"source_clip": "s"}) for run in runs]
    assert "1 source cluster: p is at least 1" in " ".join(bench("compare", *alone, "--metrics", "l1").out.split())


def test_the_page_and_the_picture(bench, runs, place):
    result = bench("compare", *runs, "--metrics", "l1", "--figure", "scatter.png", "--out", "page.html")
    assert result.code == 0, result.err
    assert result.out.endswith("figure  scatter.png\npage    page.html\n")
    with Image.open(place / "scatter.png") as picture:
        assert picture.width > 1.5 * picture.height  # one metric, two panels
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    page = (place / "page.html").read_text()
    assert "data:image/png;base64," in page
    assert "interval (95 %)" in page
    assert "psnr" not in page
    assert not re.search(r"https?://|<script", page)
    again = bench("compare", *runs, "--metrics", "l1", "--figure", "a.svg", "--format", "markdown")
    assert again.out.startswith("**copy-source and blend on tiny")
    drawn = (place / "a.svg").read_text()
    assert drawn.startswith("<?xml")
    assert "dc:date" not in drawn  # so that the same numbers give the same file


def test_an_entry_is_compared_as_its_run_is(bench, runs):
    assert bench("results", "export", "blend", "--out", "entries").code == 0
    (entry,) = Path("entries").iterdir()
    assert bench("compare", "copy-source", entry, "--format", "csv").out == bench(
        "compare", *runs, "--format", "csv"
    ).out  # fmt: skip


def test_what_cannot_be_compared(bench, runs):
    def refused(*arguments) -> str:
        return bench("compare", *arguments).complaint()

    assert "is given twice" in refused("blend", "blend")
    assert "there is no nothing; give the folder of a run" in refused("blend", "nothing")
    Path("README.md").write_text("")
    assert "README.md is a file; give the folder of a run" in refused("blend", "README.md")
    Path("empty").mkdir()
    assert "empty is a folder without run and entry" in refused("blend", "empty")
    assert "is a folder of" in refused("blend", ".")
    assert "did you mean psnr?" in refused(*runs, "--metrics", "psn")
    assert "ends with none of .png" in refused(*runs, "--figure", "scatter.gif")
    l1, psnr = ((spec,) for spec in RunStore("blend").read_record().metrics)
    halves = altered("blend", "l1 alone", metrics=l1), altered("copy-source", "psnr alone", metrics=psnr)
    assert "no metric in common" in refused(*halves)
    assert "same-identity and cross-identity" in refused("blend", altered("blend", "crossed", task="cross-identity"))
    assert "tiny and demo" in refused("blend", altered("blend", "elsewhere", name="demo"))
    apart = altered("blend", "apart", lambda row: {"driving_index": row["driving_index"] + 100}, pairs_sha256="b" * 64)
    assert "no pair with a value in both" in refused("copy-source", apart, "--across-protocols")


def test_unlike_protocols_only_when_told(bench, runs):
    other = altered("blend", "other", motion="relative-first")
    assert (
        "not of one protocol (motion: absolute / relative-first)" in bench("compare", "copy-source", other).complaint()
    )
    result = bench("compare", "copy-source", other, "--across-protocols", "--format", "csv")
    assert result.code == 0, result.err
    l1, psnr = compared(result.out)
    assert l1["metric notes"] == psnr["metric notes"] == "protocols differ: motion: absolute / relative-first"


def test_clusters_are_people_where_the_data_set_says_so():
    """No data is there."""
    who = clusters_of("voxceleb1")
    assert who("id10283#abc#000100#000200.mp4") == who("id10283#def#000001#000090.mp4") == "id10283"
    assert clusters_of("demo")("single-face") == "single-face"
    assert clusters_of("no such data set")("clip.mp4") == "clip.mp4"
    assert ranges_of(["l1", "akd@mtcnn5", "no such metric"]) == {"l1": (0, 1), "akd@mtcnn5": (0, 256)}
