"""Figures that cannot be true are refused, each in a line that names the field, the value and what is right."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from site_entries import spec, write

from talkbench.core.cards import MetricCard
from talkbench.core.files import sha256_file
from talkbench.results.checks.plausibility import Expected
from talkbench.results.entries import Entry
from talkbench.results.record import RunRecord
from talkbench.results.run_store import write_rows
from talkbench.results.summary import summarise
from talkbench.results.validation import faults, import_entry

CARDS = {
    "l1": MetricCard(name="l1", range=(0, 1), decimals=4),
    "psnr": MetricCard(name="psnr", direction="higher", unit="dB", range=(0, 100), decimals=2),
    "ssim@gauss11-valid": MetricCard(
        name="ssim@gauss11-valid", direction="higher", unit="%", scale=100, range=(-1, 1), decimals=1
    ),
    "akd@mtcnn5": MetricCard(name="akd@mtcnn5", unit="px", range=(0, 256), extractor="mtcnn5"),
}
FAR = 1e308


def expected(_record: RunRecord) -> Expected:
    return Expected(cards=CARDS, targets=dict.fromkeys(CARDS, "driving"))


@pytest.fixture
def folder(sound: Entry, tmp_path: Path) -> Path:
    """A copy of the sound entry, to be changed."""
    return Path(shutil.copytree(sound.folder, tmp_path / "entries" / "mine"))


def agree(folder: Path) -> None:
    """Make the other files follow from what was changed, so that only the values can give it away."""
    path = folder / "entry.json"
    info = json.loads(path.read_text())
    info["files"] = {name: sha256_file(folder / name) for name in info["files"]}
    path.write_text(json.dumps(info))


def record(folder: Path, edit: Callable[[dict], object]) -> None:
    """Edit run.json; protocol ids follow where the record can be read."""
    content = json.loads((folder / "run.json").read_text())
    edit(content)
    (folder / "run.json").write_text(json.dumps(content))
    with suppress(ValueError, OverflowError):
        ids = RunRecord.model_validate(
            {key: value for key, value in content.items() if key != "protocol_ids"}
        ).to_json()
        (folder / "run.json").write_text(ids)
    agree(folder)


def rows(folder: Path, metric: str, **columns: object) -> None:
    """Put values into the rows of a metric, of all pairs or of the first ones; the summary follows."""
    entry = Entry.load(folder)
    frame = entry.rows()
    places = frame.index[frame["metric"] == metric]
    for name, value in columns.items():
        values = value if isinstance(value, list) else [value] * len(places)
        frame.loc[places[: len(values)], name] = pd.Series(values, index=places[: len(values)], dtype=frame[name].dtype)
    write_rows(folder / "rows.parquet", frame)
    (folder / "summary.json").write_text(summarise(frame, entry.record.metrics).to_json())
    agree(folder)


def metric(name: str, **fields: object) -> Callable[[Path], None]:
    """An edit of fields of a metric in the record."""

    def edit(content: dict) -> None:
        next(item for item in content["metrics"] if item["name"] == name).update(fields)

    return lambda folder: record(folder, edit)


def field(group: str | None, name: str, value: object) -> Callable[[Path], None]:
    return lambda folder: record(folder, lambda content: (content[group] if group else content).update({name: value}))


def twice(name: str, key: str) -> Callable[[Path], None]:
    """Write a key of a file of the entry twice."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("{", f'{{"{key}": 0,', 1))
        if name != "entry.json":
            agree(folder)

    return edit


TOMORROW = (datetime.now(UTC) + timedelta(days=3)).isoformat()
LIES = {
    "endless pairs": (field("dataset", "pairs", 10**15), "rows of 8 pairs where the run has 1000000000000000"),
    "first year": (field(None, "created", "0001-01-01T00:00:00Z"), "created is 0001-01-01.* has to be between 2020"),
    "before the calendar": (field(None, "created", "0001-01-01T00:00:00+09:00"), "a date beyond what there is"),
    "future": (field(None, "created", TOMORROW), "created is .* has to be between 2020-01-01 and today"),
    "negative L1": (lambda f: rows(f, "l1", value=[-0.5]), r"l1 in pair 0 is -0\.5 and has to be between 0 and 1"),
    "SSIM 5": (lambda f: rows(f, "ssim@gauss11-valid", value=5.0), r"pair 0 is 5 \(and 7 more\) .* between -1 and 1"),
    "far values": (lambda f: rows(f, "psnr", value=[FAR]), r"pair 0 is 1e\+308 and has to be between 0 and 100"),
    "direction": (metric("l1", direction="higher"), "direction of l1 is higher and has to be lower"),
    "unit": (metric("psnr", unit="px"), "unit of psnr is px and has to be dB"),
    "scale": (metric("l1", scale=0.1), r"scale of l1 is 0\.1 and has to be 1"),
    "decimals": (metric("l1", decimals=9), "decimals of l1 is 9 and has to be 4"),
    "target": (metric("l1", target="source"), "target of l1 is source and has to be driving"),
    "aggregation": (metric("psnr", aggregation="root-mean"), "aggregation of psnr is root-mean and has to be mean"),
    "worst": (metric("psnr", worst=-5.0), r"worst of psnr is -5\.0 and has to be 0"),
    "extractor": (metric("l1", extractor="mine"), "extractor of l1 is mine and has to be None"),
    "direction of another version": (metric("l1", version=9, direction="higher"), "direction of l1 is higher"),
    "no weight": (lambda f: rows(f, "l1", weight=0.0), r"weight of l1 in pair 0 is 0 \(and 7 more\) and has to be 1"),
    "own weights": (lambda f: rows(f, "l1", weight=[7.0]), "weight of l1 in pair 0 is 7 and has to be 1"),
    "negative weight": (lambda f: rows(f, "l1", weight=[-1.0]), "holds a negative weight"),
    "faces left out": (
        lambda f: rows(f, "akd@mtcnn5", value=[float("nan")] * 5, reason=["no-face-target"] * 5),
        "5 of 8 pairs of akd@mtcnn5 are no-face-target and half of them may be",
    ),
    "a face where none is looked for": (
        lambda f: rows(f, "l1", value=[float("nan")], reason=["no-face-target"]),
        "reason of l1 in pair 0 is no-face-target and has to be another",
    ),
    "key twice in a record": (twice("run.json", "run_id"), "run.json is not JSON .*'run_id' stands twice"),
    "key twice in a summary": (twice("summary.json", "pairs"), "summary.json is not JSON .*'pairs' stands twice"),
    "key twice in an entry": (twice("entry.json", "label"), "entry.json is not JSON .*'label' stands twice"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_refused_in_a_line(folder: Path, lie: str) -> None:
    tell, message = LIES[lie]
    tell(folder)
    lines = faults(folder, expected)
    assert any(re.search(message, line) for line in lines), lines
    assert all(len(line.splitlines()) == 1 and str(folder) in line for line in lines)


def test_what_is_true_is_sound(folder: Path, tmp_path: Path) -> None:
    assert faults(folder, expected) == []
    rows(folder, "ssim@gauss11-valid", value=[1.0000001])  # rounding
    rows(folder, "akd@mtcnn5", value=[float("nan")] * 4, reason=["no-face-target"] * 4)
    assert faults(folder, expected) == []
    assert import_entry(folder, tmp_path / "taken", expected).info.name == "mine"


def test_metrics_that_are_not_known_here_are_taken_with_what_holds_for_all(tmp_path: Path) -> None:
    own = spec("mine", decimals=3, scale=1.0)
    entry = write(tmp_path / "a", "mine", metrics=("l1", own), pairs=8)
    assert faults(entry.folder, expected) == []
    odd = write(tmp_path / "b", "mine", metrics=({**own, "decimals": 10**9, "scale": 1e200},), pairs=8)
    lines = faults(odd.folder, expected)
    assert "decimals of mine is 1000000000 and has to be 10 at most" in lines[0]
    assert "scale of mine is 1e+200" in lines[1]
    rows(entry.folder, "mine", value=[FAR])
    assert any("value of mine in pair 0 is 1e+308" in line for line in faults(entry.folder, expected))


def test_metrics_of_whole_sets_are_in_their_range_too(tmp_path: Path) -> None:
    fid = spec("fid", aggregation="set", extractor="inception:ab")
    entry = write(tmp_path, "mine", metrics=(fid,), values={"fid": ["in-set"] * 8}, pairs=8)
    content = json.loads((entry.folder / "summary.json").read_text())
    content["metrics"][0]["mean"] = -3.0
    (entry.folder / "summary.json").write_text(json.dumps(content))
    agree(entry.folder)
    cards = {"fid": MetricCard(name="fid", aggregation="set", extractor="inception", range=(0, 1e6))}
    assert "mean of fid is -3 and has to be" in faults(entry.folder, lambda _: Expected(cards=cards))[0]
