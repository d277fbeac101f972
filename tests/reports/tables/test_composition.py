"""Which numbers stand where, which are marked, and which are the best."""

from collections.abc import Callable

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import measured_tables, published_table
from talkbench.reports.tables.layout import load_layout
from talkbench.reports.tables.table import Cell, Notes, Table
from talkbench.results import RunStore, published

MakeStore = Callable[..., RunStore]

L1 = {"name": "l1", "version": 1, "direction": "lower", "decimals": 4, "backend": "torch"}
VOXCELEB = {"name": "voxceleb1", "image_size": 256, "pairs": 2083}


def measured_table(runs: list[Run]) -> Table:
    """The one table of runs on one data set and task."""
    (table,) = measured_tables(runs)
    return table


def runs(*stores: RunStore) -> list[Run]:
    return [Run.load(store) for store in stores]


def cell(table: Table, row: int, column: str, block: int = -1) -> Cell:
    heads = [head.split(" ")[0] for head in table.columns]
    return table.blocks[block].lines[row].cells[heads.index(column)]


def notes(table: Table, row: int, column: str, block: int = -1) -> list[str]:
    return [dict(table.notes)[mark] for mark in cell(table, row, column, block).marks]


def test_the_published_rows_are_those_of_the_paper_digit_by_digit() -> None:
    table = published_table([])
    assert table.columns == ("SSIM (%) ↑", "PSNR (dB) ↑", "LPIPS ↓", "L1 ↓", "AKD (px) ↓", "AED ↓")
    (block,) = table.blocks
    printed = [(line.label, cell.text, cell.best) for line in block.lines for cell in line.cells]
    expected = [(c.name, c.value or "–", c.bold == "yes") for c in published.table("paper", "1a")]
    assert printed == expected


def test_carried_over_cells_are_marked_and_measured_ones_not() -> None:
    table = published_table([])
    cells = [cell for line in table.blocks[0].lines for cell in line.cells]
    for cell, source in zip(cells, published.table("paper", "1a"), strict=True):
        assert bool(cell.marks) == (source.provenance.startswith("carried:") or source.provenance == "uncertain")
    assert notes(table, 2, "L1")[0].startswith("carried over by the authors from the FOMM paper")
    used = {mark for line in table.blocks[0].lines for cell in (line, *line.cells) for mark in cell.marks}
    assert used == {mark for mark, _ in table.notes}


def test_measured_cells_say_in_what_they_depart(make_store: MakeStore) -> None:
    unavailable = [{"name": "lpips@vgg", "reason": "vgg16-397923af.pth is missing"}]
    table = published_table(runs(make_store(unavailable=unavailable, dataset={**VOXCELEB, "pairs": 4})))
    assert table.blocks[1].lines[0].label == "mcnet@demo (n = 4)"
    assert cell(table, 0, "L1").text == "0.2500"
    assert notes(table, 0, "L1") == ["another test than the published one: 4 pairs instead of 2083 pairs"]
    assert notes(table, 0, "PSNR")[1:] == ["psnr instead of psnr@uint8-wrap"]
    assert notes(table, 0, "AKD")[1:] == ["akd@mtcnn5 instead of akd@pose-evaluation"]
    assert cell(table, 0, "LPIPS").text == cell(table, 0, "SSIM").text == "n/a"
    assert notes(table, 0, "LPIPS") == ["metric not computed: vgg16-397923af.pth is missing"]
    assert notes(table, 0, "SSIM") == ["metric not computed: it was not asked for in this run"]


def test_a_list_that_is_not_known_as_the_published_one_is_marked(make_store: MakeStore) -> None:
    official = load_layout("1a").groups[0].pair_lists[0]
    for listed, verified in (("", False), ("b" * 64, False), (official, True)):
        data = {**VOXCELEB, "list_sha256": listed}
        store = make_store(metrics=[L1], values={"l1": [0.1] * 4}, dataset=data)
        doubt = "pair list aaaaaaaaaaaa is not verified to be the published one"
        assert (doubt in notes(published_table(runs(store)), 0, "L1")) == (not verified)


def test_the_variant_of_the_table_comes_first_with_its_caveat(make_store: MakeStore) -> None:
    names = ["ssim@gauss11-valid", "ssim@uniform7-dr2"]
    metrics = [
        {**L1, "name": name, "direction": "higher", "scale": 100, "unit": "percent", "decimals": 1} for name in names
    ]
    store = make_store(metrics=metrics, values={names[0]: [0.5] * 4, names[1]: [0.6] * 4}, dataset=VOXCELEB)
    table = published_table(runs(store))
    assert cell(table, 0, "SSIM").text == "60.0"
    assert "which of two SSIM functions" in notes(table, 0, "SSIM")[1]
    other = published_table(runs(make_store(metrics=metrics[:1], values={names[0]: [0.5] * 4}, dataset=VOXCELEB)))
    assert "ssim@gauss11-valid instead of ssim@gauss11-zeropad-f32" in notes(other, 0, "SSIM")


def test_unlike_protocols_never_share_a_column_without_a_mark(make_store: MakeStore) -> None:
    few = {**VOXCELEB, "pairs": 4}
    first = make_store("fomm", dataset=few)
    second = make_store("mcnet@demo", dataset={**few, "pairs_sha256": "b" * 64})
    newer = make_store("x", metrics=[{**L1, "version": 2}], values={"l1": [0.1] * 4}, dataset=few)
    for build in (published_table, measured_table):
        table = build(runs(first, second, newer))
        column = "L1" if build is published_table else "l1"
        ids = [store.read_record().protocol_id("l1") for store in (first, second, newer)]
        assert len(set(ids)) == 3
        for row, protocol in enumerate(ids):
            assert any(protocol in note for note in notes(table, row, column))
            assert not cell(table, row, column).best
    assert not notes(measured_table(runs(first, make_store("tpsm", dataset=few))), 0, "l1")


def test_each_data_set_and_task_has_a_measured_table_of_its_own(make_store: MakeStore) -> None:
    others = [make_store(dataset=data) for data in ({"name": "hdtf"}, {"task": "reconstruction"})]
    tables = measured_tables(runs(make_store(), *others, make_store("fomm", {"l1": [0.5] * 4})))
    assert [(table.title, [line.label for line in table.blocks[0].lines]) for table in tables] == [
        ("Measured on demo, same-identity: all metrics", ["mcnet@demo (n = 4)", "fomm (n = 4)"]),
        ("Measured on hdtf, same-identity: all metrics", ["mcnet@demo (n = 4)"]),
        ("Measured on demo, reconstruction: all metrics", ["mcnet@demo (n = 4)"]),
    ]


def test_another_image_size_is_named_in_each_cell(make_store: MakeStore) -> None:
    table = measured_table(runs(make_store(), make_store(dataset={"image_size": 256})))
    assert notes(table, 1, "psnr")[0] == "demo, same-identity, absolute motion, 4 pairs, 256 px"
    assert table.blocks[0].lines[1].label.startswith("mcnet@demo, run ")
    assert not any(cell.best for line in table.blocks[0].lines for cell in line.cells)


def test_the_best_is_found_among_comparable_cells_only(make_store: MakeStore) -> None:
    worse = make_store("copy-source", {"l1": [0.5] * 4, "psnr": [23.0] * 4, "akd@mtcnn5": [1.0] * 4})
    better = make_store("mcnet@demo", {"l1": [0.2] * 4, "psnr": [20.0] * 4, "akd@mtcnn5": [1.0001] * 4})
    truth = [0.0] * 4
    oracle = make_store(
        "oracle", {"l1": truth, "psnr": [float("inf")] * 4, "akd@mtcnn5": truth}, method={"ranked": False}
    )
    table = measured_table(runs(worse, better, oracle))
    best = {column: [cell(table, row, column).best for row in range(3)] for column in ("l1", "psnr", "akd@mtcnn5")}
    assert best == {"l1": [False, True, False], "psnr": [True, False, False], "akd@mtcnn5": [True, True, False]}
    assert cell(table, 2, "psnr").text == "∞"
    assert notes(table, 2, "psnr") == ["0 of 4 pairs used: 4 infinite"]
    assert "not ranked" in table.blocks[0].lines[2].label
    alone = measured_table(runs(worse))
    assert not cell(alone, 0, "l1").best


@pytest.mark.parametrize("ranks", [True, False])
def test_a_metric_that_must_not_rank_does_not(make_store: MakeStore, ranks: bool) -> None:
    metrics = [{**L1, "name": "psnr@uint8-wrap", "direction": "higher", "ranks": ranks}]
    stores = [
        make_store(name, {"psnr@uint8-wrap": [value] * 4}, metrics, dataset=VOXCELEB)
        for name, value in (("a", 30.0), ("b", 31.0))
    ]
    table = published_table(runs(*stores))
    assert [cell(table, row, "PSNR").best for row in (0, 1)] == [False, ranks]


def test_failures_are_counted_and_unequal_coverage_is_not_ranked(make_store: MakeStore) -> None:
    lossy = make_store("a", {"l1": [0.1] * 4, "psnr": [20] * 4, "akd@mtcnn5": [1, "no-face-generated", 1, 1]})
    full = make_store("b")
    table = measured_table(runs(lossy, full))
    assert "3 of 4 pairs used: 1 no-face-generated" in notes(table, 0, "akd@mtcnn5")
    assert any("shares of pairs used differ" in note for note in notes(table, 1, "akd@mtcnn5"))
    assert not cell(table, 0, "akd@mtcnn5").best
    assert cell(table, 0, "l1").best


def test_an_unfinished_run_says_so(make_store: MakeStore) -> None:
    store = make_store(dataset={"pairs": 10})
    table = measured_table(runs(store))
    assert table.blocks[0].lines[0].label == "mcnet@demo (incomplete, n = 4 of 10)"
    assert notes(table, 0, "l1") == ["4 of 10 pairs used: 6 not evaluated yet"]


def test_marks_do_not_run_out() -> None:
    marks = Notes("†‡")
    assert [marks.mark(text) for text in "abcab"] == ["†", "‡", "††", "†", "‡"]
    assert marks.listed() == (("†", "a"), ("‡", "b"), ("††", "c"))


def test_what_cannot_be_tabulated() -> None:
    with pytest.raises(TalkbenchError, match="no runs"):
        measured_tables([])
    with pytest.raises(TalkbenchError, match="no table '1z': did you mean"):
        load_layout("1z")
