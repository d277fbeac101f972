"""The papers' tables as layouts: every published number once, digit by digit, in every format."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from talkbench import datasets
from talkbench.core.errors import TalkbenchError
from talkbench.methods import registry
from talkbench.methods.cards import full_name, published_only
from talkbench.metrics import registry as metrics
from talkbench.reports.pages.table_page import to_html
from talkbench.reports.tables.composition import layout_table, published_table
from talkbench.reports.tables.layout import keys, load_layout, names, read_layout
from talkbench.reports.tables.table import Table
from talkbench.reports.tables.terminal import print_table
from talkbench.reports.tables.writers import to_csv, to_latex, to_markdown
from talkbench.results import RunStore, published

MakeStore = Callable[..., RunStore]

ALL = ("1a", "1b", "2", "s1", "s2", "s3", "s4", "s5", "s6", "s7")


def table_of(name: str) -> list[published.PublishedCell]:
    document, number = ("supplement", name[1:]) if name.startswith("s") else ("paper", name)
    return published.table(document, number)


def printed(name: str) -> list[tuple[str, list[str]]]:
    """The lines of a table in ``tables.csv``: own name and printed values, in the order of the layout's columns."""
    columns = [(group.dataset, column.metric) for group, column in load_layout(name).columns]
    rows: dict[str, dict[tuple[str, str], str]] = {}
    for cell in table_of(name):
        rows.setdefault(cell.name, {})[cell.dataset, cell.metric] = cell.value
    return [(system, [values[column] for column in columns]) for system, values in rows.items()]


def test_there_are_ten_tables() -> None:
    assert names() == ALL


def test_all_304_cells_stand_in_exactly_one_table() -> None:
    counts: Counter[published.PublishedCell] = Counter()
    for name in ALL:
        layout = load_layout(name)
        table = layout_table(layout, [])
        (block,) = table.blocks
        assert len(block.lines) == len(layout.rows)
        for line, row in zip(block.lines, layout.rows, strict=True):
            for printed_cell, (group, column) in zip(line.cells, layout.columns, strict=True):
                (cell,) = [c for c in group.cells() if c.metric == column.metric and row.published in keys(c)]
                assert (cell.document, cell.table) == (table_of(name)[0].document, table_of(name)[0].table)
                assert printed_cell.text == (cell.value or "–")
                assert line.label == cell.name
                assert (printed_cell.best, printed_cell.second) == (cell.bold == "yes", False)
                assert bool(printed_cell.marks) == (cell.provenance not in ("own", "remeasured", ""))
                counts[cell] += 1
    assert set(counts.values()) == {1}
    assert set(counts) == set(published.cells())
    assert len(counts) == 304


@pytest.mark.parametrize("name", ALL)
def test_csv_repeats_the_table_digit_by_digit(name: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(published_table([], name)))))
    assert [(row[2], row[5::2]) for row in rows[1:]] == printed(name)
    assert {row[4] for row in rows[1:]} == {"published"}


@pytest.mark.parametrize("name", ALL)
def test_markdown_repeats_the_table_digit_by_digit(name: str) -> None:
    rows = [line for line in to_markdown(published_table([], name)).splitlines() if line.startswith("|")][3:]
    lines = []
    for row in rows:
        text = re.sub(r"<sup>.*?</sup>|\*\*|\\", "", row)
        label, *values = text.strip("| ").split(" | ")
        lines.append((label, [value.replace("–", "") for value in values]))
    assert lines == printed(name)


@pytest.mark.parametrize("name", ALL)
def test_latex_repeats_the_table_digit_by_digit(name: str) -> None:
    table = published_table([], name)
    body = to_latex(table).split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [row.removesuffix(r" \\") for row in body.strip().splitlines()[1:]]
    assert all(row.count(" & ") == len(table.columns) for row in rows)
    values = [re.sub(r"\\textsuperscript\{.*?\}|\\textbf|[{}]", "", row).split(" & ")[1:] for row in rows]
    assert [[value.replace("--", "") for value in row] for row in values] == [row for _, row in printed(name)]


class Cells(HTMLParser):
    """The text of every cell of a table, without marks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.raised = False
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag == "tr":
            self.rows.append([])
        self.raised = tag == "sup"
        if tag in ("td", "th"):
            self.inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside and not self.raised:
            self.rows[-1][-1] += data


def test_html_repeats_all_tables_digit_by_digit() -> None:
    rows = Cells(to_html(*(published_table([], name) for name in ALL))).rows
    lines = [(row[0], [text.replace("–", "") for text in row[1:]]) for row in rows]
    expected = [line for name in ALL for line in printed(name)]
    assert [row for row in lines if row in expected] == expected


@pytest.mark.parametrize("width", [80, 150])
@pytest.mark.parametrize("name", ALL)
def test_the_terminal_repeats_the_table_without_cutting(name: str, width: int) -> None:
    out = io.StringIO()
    print_table(published_table([], name), Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    at = 0
    for _, values in printed(name):
        expected = [value or "–" for value in values]
        rows = [[word for word in line.split() if not word.isalpha()] for line in lines[at:]]
        at += next(number for number, row in enumerate(rows) if row[-len(expected) :] == expected) + 1


def test_provenance_is_told_of_every_cell() -> None:
    for name in ALL:
        table = published_table([], name)
        texts = dict(table.notes)
        for line in table.blocks[0].lines:
            cells = [cell for cell in table_of(name) if cell.name == line.label and cell.value]
            plain = {cell.provenance for cell in cells} & {"own", "remeasured"}
            marks = [mark for mark in line.marks if not texts[mark].startswith("printed as ")]
            assert len(marks) == len(plain) <= 1
            for origin in plain:
                expected = {"own": "a model of the paper's authors", "remeasured": "another group's model"}[origin]
                assert expected in texts[marks[0]]


def test_rows_have_the_methods_own_names_and_the_printed_ones_in_a_note() -> None:
    labels = {name: [line.label for line in published_table([], name).blocks[0].lines] for name in ALL}
    assert labels["1a"] == [
        "X2Face", "MarioNETte", "FOMM", "MeshG", "face-vid2vid", "MRAA", "DaGAN", "TPSM", "MCNet",
    ]  # fmt: skip
    assert labels["s4"][-2:] == ["MCNet, mcm", "MCNet"]
    for name in ALL:
        table = published_table([], name)
        texts = dict(table.notes)
        for line, system in zip(table.blocks[0].lines, dict.fromkeys(c.system for c in table_of(name)), strict=True):
            noted = [texts[mark] for mark in line.marks if texts[mark].startswith("printed as ")]
            assert noted == ([] if line.label == system else [f'printed as "{system}"'])


def test_a_copied_number_is_printed_with_its_note_and_never_set_in_bold() -> None:
    table = published_table([], "1a")
    texts, cells = dict(table.notes), {line.label: line.cells for line in table.blocks[0].lines}
    for cell, value, said in (
        (cells["FOMM"][1], "30.39", "this is MeshG's PSNR, and the source prints 30.18 (printed)"),
        (cells["MarioNETte"][0], "75.5", "this is MarioNETte's CSIM, and the source prints 74.4 (printed)"),
    ):
        assert (cell.text, cell.best) == (value, False)
        assert any(texts[mark].endswith(said) for mark in cell.marks)


def test_every_contradiction_stands_under_a_table_that_it_concerns() -> None:
    contradictions = published.notes().notes
    used = {note for name in ALL for note in load_layout(name).notes}
    assert used == set(contradictions)
    assert any("75.5 is MarioNETte's CSIM." in text for text in published_table([], "1a").contradictions)
    for name in ALL:
        texts = published_table([], name).contradictions
        number = name.removeprefix("s")
        where = f"supplement Table {number}" if name.startswith("s") else f"paper Table {number}"
        concerned = [note for note in contradictions.values() if where in note.where]
        assert all(any(f"({note.basis}): {note.what}" in text for text in texts) for note in concerned), name
        for word, meaning in published.BASES.items():
            assert any(f"{word}: {meaning}" in remark for remark in published_table([], name).remarks)


def test_methods_and_metrics_are_called_as_runs_call_them() -> None:
    for name in ALL:
        layout = load_layout(name)
        for method in (method for row in layout.rows for method in row.methods):
            assert method in (*registry.names(), *published_only())
            assert full_name(method) == method
        for _, column in layout.columns:
            assert column.variants[0].split("@")[0] == column.metric.lower()
            for variant in column.variants:
                metrics.get(variant)


def test_the_pair_lists_are_those_of_the_cards() -> None:
    for name in ALL:
        for group in load_layout(name).groups:
            card = datasets.create(group.dataset).card
            lists = [entry for entry in card.lists.values() if entry.task in group.tasks and entry.path]
            assert set(group.pair_lists) <= {entry.sha256 for entry in lists}
            assert bool(group.pair_lists) != bool(group.departs)
            assert {entry.rows for entry in lists if entry.sha256 in group.pair_lists} == set(group.pairs)


def test_without_type_face_nothing_is_made_bold() -> None:
    for name in ALL[3:]:
        table = published_table([], name)
        assert not any(cell.best or cell.second for line in table.blocks[0].lines for cell in line.cells)
        assert any("is not known" in remark for remark in table.remarks)


OWN = """
title: Mine
groups:
  - {heading: Faces, published: supplement 4, dataset: hdtf, tasks: [same-identity], columns: [
      {metric: L1, variants: [l1]}, {metric: PSNR, variants: [psnr]}]}
  - {heading: Talks, dataset: ted-talks, tasks: [same-identity], columns: [{metric: L1, variants: [l1]}]}
rows:
  - {published: mcnet, methods: [mcnet]}
  - {label: New one, methods: [new]}
"""


def test_the_layout_in_the_manual(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "tables.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(title: .*?)```", page, re.S)
    table = own(tmp_path, example)
    assert [[line.label, *(cell.text for cell in line.cells)] for line in table.blocks[0].lines] == [
        ["MCNet", "0.0238", "0.998"],
        ["Our method", "", ""],
    ]


def own(tmp_path: Path, text: str = OWN) -> Table:
    (tmp_path / "mine.yaml").write_text(text)
    return layout_table(read_layout(tmp_path / "mine.yaml"), [])


def test_a_layout_of_ones_own(tmp_path: Path) -> None:
    table = own(tmp_path)
    assert table.groups == (("Faces", 2), ("Talks", 1))
    assert table.columns == ("L1 ↓", "PSNR (dB) ↑", "L1")
    texts = [[line.label, *(cell.text for cell in line.cells)] for line in table.blocks[0].lines]
    assert texts == [["MCNet", "0.0238", "33.60", ""], ["New one", "", "", ""]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: Mine", "", "mine.yaml, title: Field required"),
        ("title: Mine", "title: [", "mine.yaml, line 4, column 3: .*mend the YAML"),
        ("dataset: hdtf", "data: hdtf", "mine.yaml, groups.0.dataset: Field required"),
        ("{published: mcnet, methods", "{methods", "mine.yaml, rows.0: .*needs a label"),
        ("supplement 4", "supplement 9", "no published table supplement 9"),
        ("published: mcnet", "published: mcnte", "no published numbers of 'mcnte'"),
        ("rows:", "notes: [n99]\nrows:", "no note 'n99'"),
    ],
)
def test_a_faulty_layout_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(TalkbenchError, match=message):
        own(tmp_path, OWN.replace(old, new))


def test_a_layout_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TalkbenchError, match=r"there is no file .*none\.yaml"):
        read_layout(tmp_path / "none.yaml")
