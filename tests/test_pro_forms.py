"""The count of pro-forms, on a made-up module."""

from pathlib import Path

import pytest
from pro_forms import assigned_names, pro_forms, report

MODULE = '''
"""Nothing that is found in a text counts."""
import json as known

wanted: int = 1
limit = wanted


class Store:
    made: int = 0

    def given(self, rows, *, shown=()):
        self.mine, self.size = rows, known
        for ours in shown:
            rest = [theirs for theirs in ours.found]
        return self.mine, rest


async def found():
    return limit
'''
NAMES = ["Store", "found", "given", "limit", "made", "mine", "ours", "rest", "rows", "self", "shown", "size", "theirs"]


def test_all_that_is_assigned_counts():
    assert sorted(assigned_names(MODULE)) == [*NAMES, "wanted"]


def test_of_these_the_pro_forms():
    assert pro_forms(MODULE) == 9


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("found = 1", 1),
        ("found += 1", 1),
        ("found, (known, row) = pairs", 2),
        ("if found := find(): pass", 1),
        ("with open(path) as given: pass", 1),
        ("act = lambda wanted: wanted", 1),
        ("call(found=found.known)", 0),
        ("Found = shown_rows = found", 0),
        ("rows[found] = 1", 0),
    ],
)
def test_a_line(line, count):
    assert pro_forms(line) == count


def test_the_report():
    counts = [(Path("core/a.py"), 0, 5), (Path("core/b.py"), 2, 7), (Path("setup.py"), 3, 4)]
    assert list(report(counts)) == [
        "     2  core",
        "     3  setup.py",
        "     5  of 16 assigned names",
        "     3  setup.py",
        "     2  core/b.py",
    ]
