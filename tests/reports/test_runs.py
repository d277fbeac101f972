"""Runs under one rule for missing faces."""

import pytest

from talkbench.reports.runs import load_runs
from talkbench.reports.tables.composition import measured_tables

AKD = {
    "name": "akd", "version": 1, "direction": "lower", "backend": "fan", "extractor": "fan", "worst": 256.0,
}  # fmt: skip
LOST = "no-face-generated"


@pytest.fixture
def stores(make_store):
    first = make_store("one", values={"akd": [1.0, 2.0, LOST, 4.0]}, metrics=[AKD])
    second = make_store("two", values={"akd": [10.0, LOST, 30.0, 40.0]}, metrics=[AKD])
    other = make_store(
        "other", values={"akd": [5.0, 5.0, 5.0, LOST]}, metrics=[AKD], dataset={"pairs_sha256": "b" * 64}
    )
    return [first, second, other]


def means(stores, missing=None):
    return [run.summary.metrics[0].mean for run in load_runs(stores, missing)]


def test_each_runs_own_rule(stores):
    assert means(stores) == means(stores, "drop") == [pytest.approx(7 / 3), pytest.approx(80 / 3), 5.0]


def test_only_pairs_that_all_runs_of_the_same_pairs_have(stores):
    assert means(stores, "intersect") == [2.5, 25.0, 5.0]
    summary = load_runs(stores, "intersect")[0].summary.metrics[0]
    assert summary.failures == {LOST: 1, "not-common": 1}
    assert summary.pairs == 2


def test_the_worst_value(stores):
    assert means(stores, "worst")[0] == pytest.approx((1 + 2 + 256 + 4) / 4)


def test_the_rule_is_part_of_the_protocol_and_stands_under_the_table(stores):
    protocols = [load_runs(stores, rule)[0].record.protocol_id("akd") for rule in ("drop", "worst", "intersect")]
    assert len(set(protocols)) == 3
    (table,) = measured_tables(load_runs(stores[:2], "intersect"))
    assert any("left out of all runs" in remark for remark in table.remarks)
    assert [line.cells[0].best for line in table.blocks[0].lines] == [True, False]


def test_coverages_that_differ_by_more_than_a_point_are_not_ranked(make_store):
    uneven = [
        make_store("one", values={"akd": [1.0, 2.0, LOST, 4.0]}, metrics=[AKD]),
        make_store("two", values={"akd": [2.0, 3.0, 4.0, 5.0]}, metrics=[AKD]),
    ]
    for rule, ranked in ((None, False), ("intersect", True), ("worst", True)):
        (table,) = measured_tables(load_runs(uneven, rule))
        assert any(line.cells[0].best for line in table.blocks[0].lines) == ranked
        assert any("not ranked" in text for _, text in table.notes) != ranked
