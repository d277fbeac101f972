"""``bench tables``: which tables are chosen, what of them is shown, and where."""

import csv
import hashlib
import io
import shutil
from pathlib import Path

import pytest
import synthetic_sets

from talkbench import datasets

TITLES = ("**Table 1(a)", "**Table 1(b)", "**Table 2", *(f"**Supplement, Table {number}:" for number in range(1, 8)))


def titles(text: str) -> list[str]:
    return [title for title in TITLES if any(line.startswith(title) for line in text.splitlines())]


@pytest.mark.parametrize("arguments", [("--published",), ("--table", "all"), ("--published", "--table", "all")])
def test_all_ten_tables_without_a_run(bench, arguments):
    result = bench("tables", *arguments)
    assert result.code == 0, result.err
    assert titles(result.out) == list(TITLES)
    assert "*Measured*" not in result.out


@pytest.mark.parametrize(
    ("form", "sign"),
    [("markdown", "| :-- |"), ("latex", r"\begin{table}"), ("html", "<h2>"), ("terminal", " System ")],
)
def test_the_ten_in_every_format(bench, form, sign):
    shown = bench("tables", "--published", "--format", form).out
    assert shown.count(sign) == 10
    assert shown.count("31.94") >= 6


def test_the_ten_in_one_csv(bench):
    rows = list(csv.DictReader(io.StringIO(bench("tables", "--published", "--format", "csv").out)))
    assert len({row["table"] for row in rows}) == 10
    numbers = [value for row in rows for head, value in row.items() if head[-1] in "↑↓" and value]
    assert len(numbers) == 289


def test_tables_by_name(bench):
    assert titles(bench("tables", "--table", "s3, 1b").out) == ["**Table 1(b)", "**Supplement, Table 3:"]
    assert "no table '1c': did you mean" in bench("tables", "--table", "1c").complaint()


def test_the_published_numbers_alone_pass_over_the_runs(bench, score):
    store = score("--limit", 2).store
    assert "blend" not in bench("tables", "--published").out
    alone = bench("tables", "--published", store.folder).out
    assert "blend" not in alone
    assert titles(alone) == ["**Table 1(a)"]


MEASURED = "**Measured on tiny, same-identity: all metrics**"
ELSEWHERE = "columns of the data set, task, motion, image size and metrics of these runs; they "


@pytest.fixture
def on_hdtf(bench, tmp_path):
    """Scores copy-source on made-up clips and the first list of HDTF, at the size that is asked for."""

    def run(size):
        root = synthetic_sets.make(tmp_path / f"made-{size}", "hdtf", pairs=4, clips=2, frames=4, size=size)
        listed = root / "lists" / datasets.create("hdtf").lists["hdtf"].file
        options = ("--method", "copy-source", "--root", root, "--metrics", "l1", "--pairs", listed)
        result = bench("run", *options, "--dataset", "hdtf")
        assert result.record.dataset.list_sha256 == hashlib.sha256(listed.read_bytes()).hexdigest()
        return result

    return run


def test_the_runs_alone_in_the_layout_of_a_table(bench, score, on_hdtf):
    other, hdtf = score("--limit", 2).record.run_id, on_hdtf(256)
    shown = bench("tables", "--measured", "--table", "s4", "--intervals")
    assert titles(shown.out) == ["**Supplement, Table 4:"]
    assert "| copy-source (n = 4) |" in shown.out
    assert "| ↳ pairs/clusters |" in shown.out
    assert "MCNet " not in shown.out.split(MEASURED)[0].split("\n", 1)[1]
    assert "| blend (n = 2) |" in shown.out.split(MEASURED)[1]
    assert shown.err == f"none of these tables has {ELSEWHERE}follow in tables of their own: {other}\n"
    alone = bench("tables", "--measured", "--table", "1b", hdtf.store.folder)
    assert titles(alone.out) == []
    assert alone.out.startswith("**Measured on hdtf, same-identity: all metrics**")


def test_runs_that_no_paper_has_a_table_for_stand_in_a_table_of_their_own(bench, score):
    record = score("--limit", 2).record
    for arguments, tables in (((), []), (("--table", "1a,s4"), ["**Table 1(a)", "**Supplement, Table 4:"])):
        shown = bench("tables", *arguments)
        assert titles(shown.out) == tables
        published, _, measured = shown.out.partition(MEASURED)
        assert "blend" not in published
        assert "| blend (n = 2) |" in measured
        assert shown.err.endswith(f"{ELSEWHERE}follow in tables of their own: {record.run_id}\n")
    assert bench("tables", "--published", "runs/" + record.run_id).err.endswith(
        f"no table of the papers has {ELSEWHERE}are not shown: {record.run_id}\n"
    )
    assert bench("tables", "--measured").err == ""


def test_nothing_measured_is_told(bench):
    assert "no runs to tabulate" in bench("tables", "--measured", "--table", "1a").complaint()


def test_a_layout_of_ones_own(bench, score):
    score("--limit", 2)
    Path("mine.yaml").write_text(
        "title: Mine\n"
        "groups: [{dataset: tiny, tasks: [same-identity], columns: [{metric: L1, variants: [l1]}]}]\n"
        "rows: [{label: The blend, methods: [blend]}]\n"
    )
    shown = bench("tables", "--layout", "mine.yaml").out
    assert shown.startswith("**Mine**")
    assert "| System | L1 ↓ |" in shown
    assert "| ↳ blend (n = 2) |" in shown
    assert "Supplement" not in shown
    Path("mine.yaml").write_text("title: Mine\n")
    assert "mine.yaml, groups: Field required" in bench("tables", "--layout", "mine.yaml").complaint()
    assert "does not exist" in bench("tables", "--layout", "none.yaml").complaint()


def test_a_run_on_a_published_set_has_its_place(bench, on_hdtf):
    """In the columns of its data set if its images have their size."""
    on_hdtf(256)
    table = bench("tables")
    assert titles(table.out) == ["**Supplement, Table 4:"]
    assert "| copy-source (n = 4) |" in table.out
    assert "4 pairs instead of 2083 pairs or 2056 pairs" in table.out
    assert table.err == ""
    small = on_hdtf(64).record.run_id
    mixed = bench("tables")
    assert mixed.err.endswith(f": {small}\n")
    assert "64 px" not in mixed.out.split("**Measured on hdtf")[0]


def test_a_folder_of_clips_has_no_list(bench, clips):
    run = bench(
        "run", "--method", "copy-source", "--dataset", "folder", "--root", clips, "--metrics", "l1", "--limit", 2
    )
    assert run.record.dataset.list_sha256 == ""


def test_tables_without_runs_are_the_published_ones(bench):
    result = bench("tables")
    assert result.code == 0, result.err
    assert "| FOMM" in result.out
    assert "*Measured*" not in result.out
    assert bench("tables", "--measured").complaint().startswith("bench: no runs to tabulate")


def test_tables_hold_the_runs(bench, score):
    score("--out", "mine", "--limit", 2)
    score("--limit", 3)
    assert "| blend (n = 3) |" in bench("tables").out
    assert "n = 2" not in bench("tables").out
    both = bench("tables", "mine", *Path("runs").iterdir()).out
    assert "FOMM" not in both
    assert both.count("| blend, run blend-tiny-same-identity-") == 2
    assert "blend" in bench("tables", "mine", "--format", "terminal").out


def test_what_is_no_run_is_passed_over_aloud(bench, score, place):
    score("--limit", 2)
    (place / "runs" / "mlflow.db").write_text("")
    result = bench("tables", *sorted(Path("runs").iterdir()))
    assert "blend (n = 2)" in result.out
    assert result.err.splitlines()[0] == "skipped, since it is not the folder of a run: runs/mlflow.db"
    refused = bench("tables", "runs/mlflow.db")
    assert refused.code == 2
    assert refused.err.endswith("bench: no run to tabulate; give the folder of at least one\n")


def test_entries_stand_beside_runs_with_their_numbers(bench, score):
    assert score("--metrics", "l1", "--out", "blend").code == 0
    assert bench("results", "export", "blend", "--out", "entries").code == 0
    (entry,) = Path("entries").iterdir()
    options = ("--measured", "--format", "csv")
    alone = bench("tables", "blend", *options)
    assert bench("tables", entry, *options).out == alone.out
    ruled = bench("tables", "blend", entry, *options, "--missing", "worst")
    assert ruled.err.splitlines()[0] == f"skipped, since an entry keeps its own rule for missing faces: {entry}"
    assert ruled.out.count("blend") == alone.out.count("blend")


def test_tables_of_what_was_measured(bench, score):
    score("--limit", 2, "--metrics", "ssim@uniform7-dr2")
    markdown = bench("tables", "--measured").out
    assert "ssim@uniform7-dr2" in markdown
    assert "FOMM" not in markdown


@pytest.mark.parametrize(
    ("form", "sign"), [("markdown", "| :--"), ("latex", r"\toprule"), ("csv", "block,system,"), ("html", "<table")]
)
def test_tables_in_every_format_on_the_terminal_or_in_a_file(bench, score, form, sign):
    store = score("--limit", 2).store
    shown = bench("tables", store.folder, "--format", form)
    assert shown.code == 0, shown.err
    assert sign.lower() in shown.out.lower()
    written = bench("tables", store.folder, "--format", form, "--out", "sub/table")
    assert written.out == ""
    assert Path("sub/table").read_text() == shown.out
    if form == "csv":
        lines = list(csv.DictReader(io.StringIO(shown.out)))
        assert lines[-1]["system"] == "blend (n = 2)"
        assert float(lines[-1]["l1 ↓"]) > 0


def test_an_output_that_is_not_utf_8(shell, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = shell("tables", "--published")
    assert (result.code, result.err) == (0, "")
    assert "PSNR (dB) ^" in result.out
    assert result.out.isascii()


def test_tables_that_cannot_be_written(bench, place):
    (place / "file").write_text("in the way")
    assert "cannot write file/table" in bench("tables", "--out", "file/table").complaint()


def test_a_run_that_lost_its_rows_is_incomplete(bench, score):
    store = score("--limit", 2).store
    shutil.rmtree(store.folder / "rows")
    assert "blend (incomplete, n = 0 of 2)" in bench("tables", store.folder).out
