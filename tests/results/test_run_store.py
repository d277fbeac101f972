"""The store: parts that survive crashes, damaged files, and means that do not depend on the way they came about."""

import math
from pathlib import Path

import numpy as np
import pytest

import talkbench.results.run_store as store_module
from talkbench.core.errors import TalkbenchError
from talkbench.results import MetricSpec, Row, RunStore, summarise

SPECS = [
    MetricSpec(name="psnr", version=1, direction="higher", unit="dB", decimals=2, backend="torch"),
    MetricSpec(name="akd@mtcnn5", version=1, direction="lower", unit="px", backend="facenet", extractor="mtcnn5"),
]


def row(pair: int, metric: str, value: float | None, reason: str = "", message: str = "") -> Row:
    return Row(
        pair=pair,
        source_clip="Émile #1",
        source_index=0,
        driving_clip="b",
        driving_index=pair,
        metric=metric,
        value=value,
        reason=reason,
        message=message,
    )


def pair_rows(pair: int) -> list[Row]:
    values = np.random.default_rng(pair).normal(20, 1e5, len(SPECS))
    return [row(pair, spec.name, value) for spec, value in zip(SPECS, values, strict=True)]


def test_rows_come_back_sorted_by_pair_and_metric(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run")
    assert store.done() == set()
    assert len(store.rows()) == 0
    store.append([*pair_rows(2), *pair_rows(0)])
    store.append([])
    store.append([row(1, "psnr", float("inf")), row(1, "akd@mtcnn5", None, "no-face-generated", "no face\nin <it>")])
    frame = store.rows()
    assert [path.name for path in sorted((tmp_path / "run/rows").iterdir())] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert list(frame["pair"]) == [0, 0, 1, 1, 2, 2]
    assert list(frame["metric"]) == ["akd@mtcnn5", "psnr"] * 3
    assert list(frame["reason"]) == ["", "", "no-face-generated", "infinite", "", ""]
    assert frame["message"][2] == "no face\nin <it>"
    assert frame["source_clip"][0] == "Émile #1"
    assert math.isnan(frame["value"][2])
    assert frame["value"][1] == pair_rows(0)[0].value
    assert store.done() == {0, 1, 2}


@pytest.mark.parametrize("name", ["a:b", "s3:x", "file:x", "hdfs:", "blank and ü"])
def test_a_folder_may_be_named_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    RunStore(Path(name)).append(pair_rows(0))
    assert len(RunStore(tmp_path / name).rows()) == len(RunStore(name).rows()) == 2


def test_a_crash_in_the_middle_of_a_part_costs_that_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(tmp_path)
    store.append(pair_rows(0))
    (tmp_path / "rows" / ".part-00001.parquet.k3jd.parquet").write_bytes(b"PAR1 half of")  # as kill -9 leaves it
    assert store.done() == {0}

    def dies(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        with pytest.raises(TalkbenchError, match="No space left"):
            store.append(pair_rows(1))
    assert store.done() == {0}
    store.append(pair_rows(1))
    assert store.done() == {0, 1}


@pytest.mark.parametrize("damage", ["cut", "empty", "columns"])
def test_a_damaged_part_is_named_with_the_remedy(tmp_path: Path, damage: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    store = RunStore(tmp_path)
    for pair in range(3):
        store.append(pair_rows(pair))
    part = tmp_path / "rows" / "part-00001.parquet"
    if damage == "columns":
        pq.write_table(pa.table({"pair": [1]}), part)
    else:
        part.write_bytes(part.read_bytes()[:-20] if damage == "cut" else b"")
    for read in (store.rows, store.done):
        with pytest.raises(TalkbenchError, match=r"part-00001\.parquet is damaged .*delete it and continue") as caught:
            read()
        assert "\n" not in str(caught.value)
    part.unlink()
    assert store.done() == {0, 2}
    store.append(pair_rows(1))
    assert store.done() == {0, 1, 2}


def part_names(folder: Path) -> list[str]:
    return [path.name for path in sorted((folder / "rows").glob("*.parquet"))]


def test_rows_are_gathered_by_time_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, features = RunStore(tmp_path), np.arange(4.0).reshape(2, 2)

    def interrupted() -> None:
        with store.gathering():
            for pair in range(3):
                store.append_features("inception", pair, [pair], [features[:1], features[1:]])
                store.append(pair_rows(pair))
            assert store.pending
            assert RunStore(tmp_path).done() == set(), "they wait"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.done() == {0, 1, 2}, "what waits is written, however the block ends"
    assert part_names(tmp_path) == ["part-00000.parquet"]
    assert [path.name for path in (tmp_path / "features/inception").iterdir()] == ["000000.npz"]
    assert len(store.features("inception")[0]) == 3
    with store.gathering():
        monkeypatch.setattr(store_module, "SECONDS", 0.0)
        store.append(pair_rows(3))
        assert store.done() == {0, 1, 2, 3}
        monkeypatch.setattr(store_module, "SECONDS", 1e6)
        store.append(pair_rows(4))
        assert store.done() == {0, 1, 2, 3}
        monkeypatch.setattr(store_module, "BYTES", 100)
        store.append(pair_rows(5))
        assert not store.pending
    assert store.done() == set(range(6))


def test_the_parts_of_a_run_that_has_ended_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(tmp_path)
    for pair in (2, 0, 1):
        store.append(pair_rows(pair))
    rows = store.rows()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda path, missing_ok=False: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # killed before the others are gone
            store.compact()
    assert len(part_names(tmp_path)) == 3
    assert store.rows().equals(rows)
    store.compact()
    assert part_names(tmp_path) == ["part-00000.parquet"]
    assert RunStore(tmp_path).rows().equals(rows)
    again = RunStore(tmp_path)
    again.append(pair_rows(3))
    assert part_names(tmp_path) == ["part-00000.parquet", "part-00001.parquet"]


def test_equal_rows_of_two_processes_are_one(tmp_path: Path) -> None:
    store, once = RunStore(tmp_path / "twice"), RunStore(tmp_path / "once")
    failed = [row(1, "psnr", None, "no-face-target", "of process 1"), row(1, "akd@mtcnn5", 2.0)]
    store.append(pair_rows(0))
    store.append([*pair_rows(0), *failed])
    store.append([failed[0].model_copy(update={"message": "of process 2"})])
    once.append([*pair_rows(0), *failed])
    assert store.rows().equals(once.rows())
    features = np.arange(6.0).reshape(3, 2)
    store.append_features("inception", 0, [0, 1], [features[:2], features[:2]])
    store.append_features("inception", 1, [1, 2], [features[1:], features[1:]])
    assert [array.tolist() for array in store.features("inception")] == [features.tolist()] * 2


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (row(0, "psnr", 21.0), "20.0 and 21.0"),
        (row(0, "psnr", None, "no-face-target"), "20.0 and no-face-target"),
        (row(0, "psnr", 20.0, "capped"), "20.0 and 20.0 (capped)"),
    ],
)
def test_unequal_rows_of_two_processes_are_named(tmp_path: Path, other: Row, told: str) -> None:
    store = RunStore(tmp_path)
    store.append([row(0, "psnr", 20.0)])
    store.append([other])
    with pytest.raises(TalkbenchError) as caught:
        store.rows()
    assert str(caught.value) == (
        f"pair 0 has two values of psnr in {tmp_path / 'rows'}, {told}: two runs wrote there; run again with another "
        "--out"
    )


def test_a_folder_without_a_run_or_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TalkbenchError, match=r"run\.json is missing"):
        RunStore(tmp_path).read_record()
    with pytest.raises(TalkbenchError, match=r"summary\.json is missing"):
        RunStore(tmp_path).read_summary()
    (tmp_path / "file").write_text("")
    with pytest.raises(TalkbenchError, match="cannot write"):
        RunStore(tmp_path / "file").append(pair_rows(0))


def test_the_summary_accounts_for_every_pair(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append([row(0, "psnr", 20.0), row(0, "akd@mtcnn5", None, "no-face-generated")])
    store.append([row(1, "psnr", float("inf")), row(1, "akd@mtcnn5", None, "no-face-target")])
    store.append([row(2, "psnr", 100.0, "capped"), row(2, "akd@mtcnn5", float("nan"))])
    store.append([row(3, "psnr", None, "undecodable-frame")])
    summary = summarise(store.rows(), SPECS)
    psnr, akd = summary.metrics
    assert summary.pairs == 4
    assert (psnr.mean, psnr.pairs, psnr.infinite) == (60.0, 2, 1)
    assert psnr.failures == {"undecodable-frame": 1}
    assert psnr.remarks == {"capped": 1}
    assert akd.mean is None
    assert akd.failures == {"no-face-generated": 1, "no-face-target": 1, "not-a-number": 1, "not-recorded": 1}
    for metric in summary.metrics:
        assert metric.pairs + metric.infinite + sum(metric.failures.values()) == summary.pairs
    store.write_summary(summary)
    assert store.read_summary() == summary
    assert summary.metric("psnr") is psnr
    assert summary.metric("ssim") is None


def test_rows_of_a_metric_that_the_record_lacks_are_not_dropped_silently(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.append(pair_rows(0))
    with pytest.raises(TalkbenchError, match="akd@mtcnn5"):
        summarise(store.rows(), SPECS[:1])


def test_the_same_numbers_in_whatever_parts_they_came(tmp_path: Path) -> None:
    whole, pieces = RunStore(tmp_path / "whole"), RunStore(tmp_path / "pieces")
    whole.append([row for pair in range(40) for row in pair_rows(pair)])
    pairs = np.random.default_rng(0).permutation(40).tolist()
    for start in range(0, 40, 7):
        pieces.append([row for pair in pairs[start : start + 7] for row in pair_rows(pair)])
    assert summarise(whole.rows(), SPECS).to_json() == summarise(pieces.rows(), SPECS).to_json()
    exact = math.fsum(pair_rows(pair)[0].value or 0 for pair in range(40)) / 40
    assert summarise(whole.rows(), SPECS).metrics[0].mean == exact


def test_the_columns_on_disk_are_those_of_a_row() -> None:
    assert store_module._arrow_schema().names == list(Row.model_fields)
