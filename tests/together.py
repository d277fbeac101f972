"""Which files of tests one process runs where there are several: what costs much to make is then made once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    **{
        method: rf"tests/(methods/test_{method}_golden|training/objectives/test_{method}_losses)\.py"
        for method in ("dagan", "facevid2vid", "fomm", "mraa", "tpsm")
    },
    "mcnet": r"tests/(methods/test_mcnet|training/objectives/test_losses)_golden\.py",
    "metrics": "tests/metrics/",
    "reports": "tests/reports/",
}
"""Patterns of files that need the same: a network of full size with its goldens' weights, the files of the metrics'
models, a browser."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """``--dist loadfile``, but with `TOGETHER`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((name for name, pattern in TOGETHER.items() if re.match(pattern, file)), file)

    return Scheduling(config, log)
