"""An entry for the tests of results."""

import pytest
from site_entries import write

from talkbench.results.entries import Entry


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    return write(tmp_path_factory.mktemp("sound"), "mine", pairs=8, clips=3, pictured=(0, 5))
