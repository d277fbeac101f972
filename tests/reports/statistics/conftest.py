"""Runs for the statistics."""

from collections.abc import Callable
from typing import Any

import pytest

from talkbench.reports.runs import Run, load_runs
from talkbench.results import RunStore

MakeStore = Callable[..., RunStore]

SPECS: list[dict[str, object]] = [
    {"name": "l1", "version": 1, "direction": "lower", "decimals": 4, "backend": "torch"},
    {"name": "psnr", "version": 1, "direction": "higher", "unit": "dB", "decimals": 2, "backend": "torch"},
    {"name": "prmse@global", "version": 1, "direction": "lower", "backend": "feat", "aggregation": "root-mean"},
]


@pytest.fixture
def specs() -> list[dict[str, object]]:
    """The metrics that runs have unless it is said otherwise."""
    return SPECS


@pytest.fixture
def run(make_store: MakeStore) -> Callable[..., Run]:
    """A run of twelve clips that take turns, each its own source (else `source` gives its number)."""

    def make(
        name: str,
        clips: int = 12,
        specs: list[dict[str, object]] = SPECS,
        source: Callable[[int], int] | None = None,
        **fields: Any,
    ) -> Run:
        values = fields.pop("values")
        count = max(map(len, values.values()))
        data = {"name": "tiny", "pairs": count, **fields.pop("dataset", {})}
        store = make_store(name, values, [spec for spec in specs if spec["name"] in values], dataset=data, **fields)
        (run,) = load_runs([store])
        assert run.rows is not None
        drivers = [f"c{pair % clips}" for pair in run.rows["pair"]]
        sources_of = [f"s{source(pair)}" for pair in run.rows["pair"]] if source else drivers
        rows = run.rows.assign(source_clip=sources_of, driving_clip=drivers)
        return Run(run.record, run.summary, rows)

    return make
