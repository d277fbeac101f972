"""Many entries of a leaderboard, to see what it costs.

``python tests/many_entries.py OUT`` makes 500 of 12 metrics and 100 people, in half a minute; ``--cross`` makes the
people of sources and of driving clips cross, ``--lost`` loses faces.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import site_entries

from talkbench.core.files import sha256_file
from talkbench.results import summarise
from talkbench.results.entries import Entry, EntryInfo, write_rows

METRICS = ("l1", "psnr", "ssim@gauss11-valid", "akd@mtcnn5", *(f"metric-{number}" for number in range(8)))


def make(root: Path, entries: int, clusters: int, pairs: int, cross: bool = False, lost: bool = False) -> None:
    """Write the entries to `root`: each of a method of its own, better or worse than others by little, with pictures of
    a few pairs.

    Args:
        clusters: people; each drives as many of the `pairs`.
        cross: whether each pair has another source.
        lost: whether each entry lacks some values of a metric, each others.
    """
    first = site_entries.write(root, "system-000", method="system-000", pairs=pairs, clips=clusters, metrics=METRICS)
    rows = first.rows()
    if cross:
        rows = rows.assign(source_clip=[f"source-{pair % 61 % clusters}" for pair in rows["pair"]])
    for number in range(entries):
        name, random = f"system-{number:03d}", np.random.default_rng(number)
        folder = root / name
        if number:
            shutil.copytree(first.folder, folder)
        _rewrite(folder, name, first, _varied(rows, random, lost))


def _varied(rows: pd.DataFrame, random: np.random.Generator, lost: bool) -> pd.DataFrame:
    """Values as of another system: all a little better or worse, more so for some people, and each by chance."""
    _, people = np.unique(rows["driving_clip"], return_inverse=True)
    metrics, kinds = np.unique(rows["metric"], return_inverse=True)
    shift = random.normal(0, 0.03, len(metrics))[kinds] + random.normal(0, 0.02, (people.max() + 1))[people]
    values = rows["value"] * (1 + shift + random.normal(0, 0.03, len(rows)))
    varied = rows.assign(value=values)
    if lost:
        gone = (varied["metric"] == "akd@mtcnn5") & (random.random(len(rows)) < 0.02)
        varied = varied.assign(value=varied["value"].mask(gone), reason=varied["reason"].mask(gone, "no-face-target"))
    return varied


def _rewrite(folder: Path, name: str, first: Entry, rows: pd.DataFrame) -> None:
    """Make the entry in `folder` one of another method with other rows."""
    method = first.record.method.model_copy(update={"name": name})
    record = first.record.model_copy(update={"run_id": f"run-of-{name}", "method": method})
    write_rows(folder / "rows.parquet", rows)
    (folder / "run.json").write_text(record.to_json(), encoding="utf-8")
    (folder / "summary.json").write_text(summarise(rows, record.metrics).to_json(), encoding="utf-8")
    files = {file: sha256_file(folder / file) for file in first.info.files}
    info = EntryInfo(**{**dict(first.info), "name": name, "label": name, "files": files})
    (folder / "entry.json").write_text(info.to_json(), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--entries", type=int, default=500)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--cross", action="store_true")
    parser.add_argument("--lost", action="store_true")
    words = parser.parse_args()
    make(words.out, words.entries, words.clusters, words.pairs, words.cross, words.lost)
