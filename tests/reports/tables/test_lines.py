"""Measured numbers in the lines that they belong to: places, differences, ranks and intervals."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from talkbench import datasets
from talkbench.reports.pages.table_page import to_html
from talkbench.reports.runs import Run, load_runs
from talkbench.reports.tables.composition import (
    layout_table,
    measured_tables,
    placed,
    published_table,
    tables_of,
    touched,
)
from talkbench.reports.tables.layout import Layout, load_layout, names
from talkbench.reports.tables.table import Line, Table
from talkbench.reports.tables.terminal import print_table
from talkbench.reports.tables.writers import to_csv, to_latex, to_markdown
from talkbench.results import Row, RunStore, published

MakeStore = Callable[..., RunStore]

L1 = {"name": "l1", "version": 1, "direction": "lower", "decimals": 4, "backend": "torch"}
AKD = {**L1, "name": "akd@pose-evaluation", "unit": "px", "decimals": 3, "extractor": "fan:1", "worst": 256.0}
AUCON = {**L1, "name": "aucon@pyfeat-2", "direction": "higher", "decimals": 3}
PAIRS = 2083


@pytest.fixture
def run(make_store: MakeStore) -> Callable[..., Run]:
    """A whole run of a method on a data set, of one value per metric unless a list is given."""

    def make(
        name: str,
        data: str = "voxceleb1",
        task: str = "same-identity",
        pairs: int = PAIRS,
        test: dict[str, object] | None = None,
        **values: object,
    ) -> Run:
        specs = [spec for spec in (L1, AKD, AUCON) if str(spec["name"]).split("@")[0] in values]
        each = {str(spec["name"]): values[str(spec["name"]).split("@")[0]] for spec in specs}
        store = make_store(
            name,
            {metric: value if isinstance(value, list) else [value] * pairs for metric, value in each.items()},
            specs,
            dataset={"name": data, "task": task, "pairs": pairs, "image_size": 256, **(test or {})},
        )
        return load_runs([store])[0]

    return make


def lines(table: Table) -> list[str]:
    return [f"{line.kind}: {line.label}" for block in table.blocks for line in block.lines]


def line(table: Table, label: str, kind: str = "measured") -> Line:
    lines = [line for block in table.blocks for line in block.lines]
    return next(line for line in lines if line.kind == kind and line.label.startswith(label))


def texts(line: Line) -> list[str]:
    return [cell.text for cell in line.cells]


def test_a_run_stands_below_the_line_of_its_method(run: Callable[..., Run]) -> None:
    table = published_table([run("mcnet", l1=0.0340), run("copy-source", l1=0.08)])
    assert [block.title for block in table.blocks] == ["Published and measured", "Measured"]
    assert lines(table)[-4:] == [
        "published: MCNet",
        f"measured: mcnet (n = {PAIRS})",
        "difference: difference",
        f"measured: copy-source (n = {PAIRS})",
    ]
    assert texts(line(table, "difference", "difference")) == ["", "", "", "+0.0009", "", ""]


def test_one_line_holds_the_runs_of_a_method_on_several_data_sets(run: Callable[..., Run]) -> None:
    runs = [run("mcnet", data, "cross-identity", aucon=value) for data, value in (("voxceleb1", 0.9), ("celebv", 0.8))]
    table = published_table(runs)
    assert table.title.startswith("Table 1(b)")
    assert texts(line(table, "mcnet")) == ["0.900", "n/a", "0.800", "n/a"]
    assert texts(line(table, "difference", "difference")) == ["+0.005", "", "−0.085", ""]


def test_a_second_run_of_a_method_has_its_own_line(run: Callable[..., Run]) -> None:
    table = published_table([run("mcnet", l1=0.03), run("mcnet", l1=0.04)])
    labels = [line.label for line in table.blocks[0].lines if line.kind == "measured"]
    assert len(labels) == 2
    assert all(label.startswith("mcnet, run run-") for label in labels)
    assert len([line for line in table.blocks[0].lines if line.kind == "difference"]) == 2


def test_no_difference_where_the_tests_are_not_the_same(run: Callable[..., Run]) -> None:
    def difference(table: Table) -> tuple[str, list[str]]:
        cell = line(table, "difference", "difference").cells[3]
        return cell.text, [dict(table.notes)[mark] for mark in cell.marks]

    few = published_table([run("mcnet", pairs=4, l1=0.03)])
    assert difference(few) == ("n/a", ["another test than the published one: 4 pairs instead of 2083 pairs"])
    carried = published_table([run("fomm@vox-256", l1=0.03)])
    assert difference(carried)[0] == "n/a"
    assert difference(carried)[1][0].startswith("carried over by the authors from the FOMM paper")
    assert difference(carried)[1][0].endswith("(inferred)")
    unfinished = published_table([run("mcnet", l1=[0.03] * 5)])
    assert difference(unfinished) == ("n/a", ["5 of 2083 pairs used: 2078 not evaluated yet"])
    unreleased = published_table([run("mcnet", "voxceleb2", l1=0.03)])
    assert difference(unreleased) == ("n/a", ["other pairs than the published ones, of which no list was released"])
    uncertain = published_table([run("facevid2vid@vox-256", l1=0.05)])
    assert difference(uncertain) == ("+0.0070", ["whether the authors measured it is not known (inferred)"])


def test_the_row_of_ted_talks_is_of_the_model_for_384(run: Callable[..., Run]) -> None:
    own = datasets.create("ted-talks").card.lists["ted-talks"].sha256
    test = {"image_size": 384, "list_sha256": own}
    table = published_table([run("mcnet@ted-384", "ted-talks", test=test, l1=0.021)])
    assert table.title == load_layout("s6").title
    assert texts(line(table, "mcnet@ted-384"))[0] == "0.021"
    assert texts(line(table, "difference", "difference"))[0] == "−0.002"
    assert any("mcnet@ted-384 is talkbench's reading" in remark for remark in table.remarks)
    assert touched([run("mcnet@ted-384", "ted-talks", test={"image_size": 256}, l1=0.02)]) == []


def test_people_seen_and_not_seen_in_training_have_a_row_each(run: Callable[..., Run]) -> None:
    table = published_table([run("mcnet", "voxceleb1-seen", l1=0.03), run("mcnet", l1=0.04)], "s5")
    rows = [(one.kind, texts(one)[3]) for block in table.blocks for one in block.lines]
    printed = [cell.value for cell in published.table("supplement", "5") if cell.metric == "L1"]
    assert rows == [
        ("published", printed[0]),
        ("measured", "0.0400"),
        ("difference", f"+{0.04 - float(printed[0]):.4f}"),
        ("published", printed[1]),
        ("measured", "0.0300"),
        ("difference", "n/a"),
    ]
    (mark,) = table.blocks[0].lines[-1].cells[3].marks
    assert dict(table.notes)[mark] == "other clips than the published ones, of which no list was released"
    assert touched([run("mcnet", "voxceleb1-seen", l1=0.03)]) == ["s5"]


def test_what_weights_have_seen_in_training_is_a_mark(run: Callable[..., Run]) -> None:
    plain = run("mcnet", "voxceleb1", l1=0.03)
    seen = replace(plain, record=plain.record.model_copy(update={"seen": "mcnet was trained on these clips"}))
    for one, noted in ((plain, False), (seen, True)):
        notes = [text for _, text in published_table([one]).notes]
        assert ("seen in training: mcnet was trained on these clips" in notes) == noted


def test_another_rule_for_missing_faces_is_a_departure(make_store: MakeStore) -> None:
    data = {"name": "voxceleb1", "pairs": 2, "image_size": 256}
    store = make_store("mcnet", {"akd@pose-evaluation": [1.0, "no-face-generated"]}, [AKD], dataset=data)
    for rule, noted in ((None, False), ("worst", True)):
        table = published_table(load_runs([store], rule))
        assert any("rule worst instead of drop" in text for _, text in table.notes) == noted


def test_numbers_are_printed_as_finely_as_the_table_does(run: Callable[..., Run]) -> None:
    table = published_table([run("mcnet", "celebv", "cross-identity", aucon=0.88888)])
    assert texts(line(table, "mcnet"))[2] == "0.889"
    talks = published_table([run("mcnet", "ted-talks", test={"image_size": 384}, l1=0.02345)])
    assert talks.title.startswith("Supplement, Table 6")
    assert texts(line(talks, "mcnet"))[0] == "0.023"


def test_best_and_second_best_of_three(run: Callable[..., Run]) -> None:
    table = published_table(
        [run(name, l1=value) for name, value in (("mcnet", 0.03), ("mraa@vox256", 0.04), ("x", 0.05))]
    )
    marked = {label: line(table, label).cells[3] for label in ("mcnet", "mraa@vox256", "x")}
    assert [(cell.best, cell.second) for cell in marked.values()] == [(True, False), (False, True), (False, False)]
    assert "<ins>0.0400</ins>" in to_markdown(table)
    assert r"\underline{0.0400}" in to_latex(table)
    assert "<u>0.0400</u>" in to_html(table)
    out = io.StringIO()
    print_table(table, Console(file=out, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[4m0.0400" in out.getvalue()
    two = published_table([run("mcnet", l1=0.03), run("mraa@vox256", l1=0.04)])
    assert not any(cell.second for block in two.blocks for line in block.lines for cell in line.cells)


def test_ties_for_the_best_leave_no_second(run: Callable[..., Run]) -> None:
    table = published_table([run(name, l1=value) for name, value in (("mcnet", 0.03), ("a", 0.03), ("b", 0.05))])
    cells = [line(table, label).cells[3] for label in ("mcnet", "a", "b")]
    assert [(cell.best, cell.second) for cell in cells] == [(True, False), (True, False), (False, False)]


def test_the_tables_that_runs_touch(run: Callable[..., Run]) -> None:
    full, ablation, frequencies = (run(name, l1=0.03) for name in ("mcnet", "mcnet@mcm", "mcnet@pe10"))
    assert touched([]) == touched([run("mcnet@demo", "demo", l1=0.03)]) == []
    assert touched([full]) == ["1a"]
    assert touched([full, ablation, frequencies]) == ["1a", "2", "s1"]
    assert touched([run("mcnet", "hdtf", l1=0.03), run("copy-source", "celebv", "cross-identity", aucon=1.0)]) == [
        "1b",
        "s4",
    ]
    demo = run("blend", "demo", l1=0.1)
    assert placed([full, ablation, demo], [load_layout("2"), load_layout("s7")]) == ([[full, ablation], [full]], [demo])


OTHERS = {
    "another data set": {"name": "demo"},
    "a data set of another table": {"name": "hdtf"},
    "another task": {"task": "reconstruction"},
    "another motion": {"motion": "relative-first"},
    "another image size": {"image_size": 128},
}


@pytest.mark.parametrize("test", OTHERS.values(), ids=list(OTHERS))
def test_a_run_of_another_test_stands_in_no_column(run: Callable[..., Run], test: dict[str, object]) -> None:
    for name in ("mcnet", "copy-source"):
        other = run(name, test=test, l1=0.001)
        table = layout_table(load_layout("1a"), [run("mcnet", l1=0.0340), other])
        assert len([line for line in lines(table) if line.startswith("measured")]) == 1
        named = f"no column is of their test and metrics: {other.record.run_id}."
        assert any(remark.endswith(named) for remark in table.remarks)


def test_no_layout_of_the_papers_has_a_column_for_the_demo(run: Callable[..., Run]) -> None:
    tasks = ("same-identity", "cross-identity", "reconstruction")
    for demo in [run(name, "demo", task, l1=0.001) for name in ("mcnet", "fomm@vox-256") for task in tasks]:
        assert placed([demo], [load_layout(name) for name in names()]) == ([[]] * 10, [demo])
        assert [table.title for table in tables_of(demo)] == [
            f"Measured on demo, {demo.record.dataset.task}: all metrics"
        ]
    assert tables_of(run("mcnet", l1=0.03))[0].title.startswith("Table 1(a)")


def test_runs_without_any_metric_of_a_table_are_named_below(run: Callable[..., Run]) -> None:
    blind = run("blend", aucon=0.5)
    table = layout_table(load_layout("1a"), [blind])
    assert len(table.blocks) == 1
    named = f"Not in this table, since no column is of their test and metrics: {blind.record.run_id}."
    assert named in table.remarks


def test_measured_alone_and_published_alone(run: Callable[..., Run]) -> None:
    runs = [run("mcnet", l1=0.03), run("copy-source", l1=0.1)]
    alone = layout_table(load_layout("1a"), runs, with_published=False)
    assert lines(alone) == [f"measured: mcnet (n = {PAIRS})", f"measured: copy-source (n = {PAIRS})"]
    assert alone.contradictions == ()
    printed = layout_table(load_layout("1a"), runs, with_measured=False)
    assert {line.kind for line in printed.blocks[0].lines} == {"published"}
    assert printed == layout_table(load_layout("1a"), [])


def test_csv_has_kinds_and_plain_numbers(run: Callable[..., Run]) -> None:
    text = to_csv(published_table([run("mcnet", l1=0.0320)]), published_table([], "1b"))
    (difference,) = [row for row in text.splitlines() if ",difference," in row]
    assert f"mcnet (n = {PAIRS})" in difference
    assert ",-0.0011," in difference
    assert "VoxCeleb1 AUCON ↑" in text.splitlines()[0]


@pytest.fixture
def clustered(make_store: MakeStore) -> RunStore:
    """40 pairs of 8 clips whose means differ."""
    store = make_store("mcnet", {"l1": []}, [L1], dataset={"name": "voxceleb1", "pairs": 40, "image_size": 256})
    values = np.random.default_rng(3).normal(0.03, 0.002, 40) + 0.01 * (np.arange(40) % 8)
    rows = []
    for pair, value in enumerate(values):
        clips = {
            "source_clip": f"c{pair % 8}",
            "source_index": 0,
            "driving_clip": f"c{pair % 8}",
            "driving_index": pair,
        }
        rows.append(Row(pair=pair, **clips, metric="l1", value=float(value)))
    store.append(rows)
    return store


def test_intervals_stand_below_the_numbers_with_pairs_clusters_and_coverage(clustered: RunStore) -> None:
    for table in (
        layout_table(load_layout("1a"), load_runs([clustered]), intervals=True),
        *measured_tables(load_runs([clustered]), intervals=True),
    ):
        kinds = [line.kind for block in table.blocks for line in block.lines if line.kind != "published"]
        assert kinds[:4] == ["measured", "95 % interval", "pairs/clusters", "coverage"]
        certainty = [text for kind in kinds[1:4] for text in texts(line(table, kind, kind)) if text]
        assert certainty[1:] == ["40/8", "100.0 %"]
        low, high = map(float, certainty[0].split(" – "))
        assert 0.03 < low < high < 0.09
        assert any("symmetric bootstrap-t" in remark for remark in table.remarks)
        assert " – " in to_markdown(table)


def test_a_column_without_published_numbers_is_of_any_motion_and_size_unless_it_states_one(
    run: Callable[..., Run],
) -> None:
    group = {"dataset": "tiny", "tasks": ["same-identity"], "columns": [{"metric": "L1", "variants": ["l1"]}]}
    layout = Layout.model_validate({"title": "Mine", "groups": [group], "rows": [{"label": "A", "methods": ["a"]}]})
    alone = layout_table(layout, [run("a", "tiny", pairs=3, l1=0.1)])
    assert alone.notes == ()
    assert [line.kind for line in alone.blocks[0].lines] == ["published", "measured"]
    moved = run("a", "tiny", pairs=3, test={"motion": "avd", "image_size": 64}, l1=0.1)
    assert [line.kind for line in layout_table(layout, [moved]).blocks[0].lines] == ["published", "measured"]
    for stated in ({"motions": ["absolute"]}, {"image_size": 256}):
        strict = Layout.model_validate({"title": "Mine", "groups": [{**group, **stated}], "rows": [{"label": "A"}]})
        assert placed([moved], [strict]) == ([[]], [moved])
