"""Entries for the tests of results."""

import pytest
from site_entries import write

from talkbench.results.entries import Entry


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    return write(tmp_path_factory.mktemp("sound"), "mine", pairs=8, clips=3, pictured=(0, 5))


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """An entry with clips, of pairs 0 to 7 and 8 to 15."""
    return write(tmp_path_factory.mktemp("moving"), "mine", pairs=24, pictured=(0,), moving=8, metrics=["l1"])
