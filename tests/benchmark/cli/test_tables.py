"""``bench tables``: which tables are chosen and what of them is shown."""

import csv
import hashlib
import io
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


def test_the_runs_alone_in_the_layout_of_a_table(bench, score):
    score("--limit", 2)
    shown = bench("tables", "--measured", "--table", "s4", "--intervals").out
    assert titles(shown) == ["**Supplement, Table 4:"]
    assert "| blend (n = 2) |" in shown
    assert "| ↳ pairs/clusters |" in shown
    assert "Ours" not in shown
    both = bench("tables", "--measured", "--table", "1b,s4").out  # where its task is
    assert titles(both) == ["**Supplement, Table 4:"]


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


def test_a_run_on_a_published_set_has_its_place(bench, tmp_path):
    """And knows its list by the hash of the file."""
    root = synthetic_sets.make(tmp_path / "made", "hdtf", pairs=4, clips=2, frames=4, size=64)
    listed = root / "lists" / datasets.create("hdtf").lists["hdtf"].file
    score = ("run", "--method", "copy-source", "--root", root, "--metrics", "l1")
    run = bench(*score, "--dataset", "hdtf", "--pairs", listed)
    assert run.record.dataset.list_sha256 == hashlib.sha256(listed.read_bytes()).hexdigest()
    table = bench("tables").out
    assert titles(table) == ["**Supplement, Table 4:"]
    assert "| copy-source (n = 4) |" in table
    assert "4 pairs instead of 2083 pairs or 2056 pairs, 64 px instead of 256 px" in table
    assert bench(*score, "--dataset", "folder", "--limit", 2).record.dataset.list_sha256 == ""
