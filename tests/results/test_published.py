"""The papers' numbers as data."""

from collections import Counter

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.results import published


def test_every_cell_is_there() -> None:
    counts = published.notes()["counts"]
    status = Counter(cell.status for cell in published.cells())
    assert len(published.cells()) == counts["rows"]
    assert (status["reported"], status["not-reported"]) == (counts["reported"], counts["not_reported"])
    assert len({(cell.document, cell.table) for cell in published.cells()}) == 10


def test_a_table_keeps_the_printed_digits() -> None:
    rows = published.table("paper", "1a")
    assert len(rows) == 9 * 6
    values = {(cell.system_key, cell.metric): cell.value for cell in rows}
    assert values["x2face", "L1"] == "0.0780"
    assert values["mraa", "SSIM"] == "80.0"
    assert values["marionette", "AED"] == ""


def test_every_cell_is_consistent() -> None:
    for cell in published.cells():
        assert (cell.value == "") == (cell.status == "not-reported")
        if cell.value:
            assert len(cell.value.partition(".")[2]) == int(cell.decimals)
            assert cell.provenance


def test_extra_digits_and_unknown_tables() -> None:
    assert {"system_key", "value", "printed_in_table"} <= set(published.extra_precision()[0])
    with pytest.raises(TalkbenchError, match="choose one of paper 1a"):
        published.table("paper", "9")
