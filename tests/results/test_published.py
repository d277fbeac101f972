"""The papers' numbers as data."""

from collections import Counter
from math import log10
from pathlib import Path

import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.results import published
from talkbench.results.published.evidence import NOTES, read_notes


def test_every_cell_is_there() -> None:
    counts = published.notes().counts
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


def test_the_two_copied_numbers_stand_as_printed_and_are_never_compared() -> None:
    copied = {
        (cell.table, cell.system_key, cell.metric, cell.value): cell.copied for cell in published.cells() if cell.copied
    }
    assert copied == {
        ("1a", "marionette", "SSIM", "75.5"): (
            "a copy error: this is MarioNETte's CSIM, and the source prints 74.4 (printed)"
        ),
        ("1a", "fomm", "PSNR", "30.39"): "a copy error: this is MeshG's PSNR, and the source prints 30.18 (printed)",
        ("2", "fomm", "PSNR", "30.39"): "a copy error: this is MeshG's PSNR, and the source prints 30.18 (printed)",
    }
    assert not any(cell.comparable or cell.bold == "yes" for cell in published.cells() if cell.copied)
    named = [cell for note in published.notes().notes.values() for cell in note.copied]
    assert len(named) == len(copied)


def test_every_statement_says_what_it_rests_on() -> None:
    notes = published.notes()
    assert {cell.provenance for cell in published.cells() if cell.value} == set(notes.origins)
    assert {cell.system_key for cell in published.cells()} == set(notes.systems)
    assert {note.basis for note in notes.notes.values()} == set(published.BASES)
    assert "to be confirmed" not in NOTES.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("basis: computed", "basis: guessed", "notes.n5.basis: input should be 'printed', 'computed' or 'inferred'"),
        ("    basis: computed\n", "", "notes.n5.basis: field required"),
        ("effect:", "efect:", "unknown key .*efect.*: did you mean effect"),
    ],
)
def test_a_note_without_its_basis_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "notes.yaml").write_text(NOTES.read_text(encoding="utf-8").replace(old, new))
    with pytest.raises(TalkbenchError, match=message):
        read_notes(tmp_path / "notes.yaml")


def test_psnr_lies_above_what_l1_allows_in_as_many_rows_as_the_note_says() -> None:
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for cell in published.cells():
        if cell.value:
            place = (cell.document, cell.table, cell.system, cell.variant, cell.dataset)
            rows.setdefault(place, {})[cell.metric] = float(cell.value)
    above = [row["PSNR"] + 20 * log10(row["L1"]) for row in rows.values() if {"PSNR", "L1"} <= set(row)]
    assert (len(above), round(min(above), 1), round(max(above), 1)) == (40, 0.4, 5.5)
    assert "All 40 rows" in published.notes().notes["n5"].what
