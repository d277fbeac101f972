"""Which pairs an entry shows: some that all entries of a list show, and the run's own best and worst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from site_entries import write

from talkbench.benchmark.sharing.export_entry import chosen_pairs
from talkbench.results.entries import Entry


def made(folder: Path, seed: int, metric: str = "l1") -> tuple[Entry, np.ndarray]:
    values = np.random.default_rng(seed).random(200)
    return write(folder, f"run{seed}", pairs=200, metrics=[metric], values={metric: list(values)}, pictured=()), values


def test_two_runs_of_a_list_show_common_pairs_and_their_own_best_and_worst(tmp_path: Path) -> None:
    shown = []
    for seed in (0, 1):
        entry, values = made(tmp_path, seed)
        numbers = chosen_pairs(entry.rows(), entry.record, range(200), 12)
        assert len(numbers) == 12
        assert numbers == sorted(numbers)
        assert {*np.argsort(values)[[0, 1, -2, -1]].tolist()} <= set(numbers)
        shown.append(set(numbers))
    assert len(shown[0] & shown[1]) >= 8


@pytest.mark.parametrize(("count", "kept", "expected"), [(0, 200, 0), (1, 200, 1), (2, 200, 2), (12, 5, 5), (12, 0, 0)])
def test_there_are_as_many_as_asked_for_and_kept(tmp_path: Path, count: int, kept: int, expected: int) -> None:
    entry, values = made(tmp_path, 0)
    numbers = chosen_pairs(entry.rows(), entry.record, range(kept), count)
    assert len(numbers) == expected
    if count == 1:
        assert numbers == [int(values.argmin())]


def test_a_metric_that_ranks_nothing_has_no_best(tmp_path: Path) -> None:
    entry, _ = made(tmp_path, 0, "psnr@uint8-wrap")
    assert {0, 199} <= set(chosen_pairs(entry.rows(), entry.record, range(200), 12))
