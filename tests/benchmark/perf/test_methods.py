"""`bench perf`: what it counts and measures, the table it keeps, and what it refuses."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from talkbench import methods
from talkbench.benchmark.environment import device_name
from talkbench.benchmark.perf.gauges import turn
from talkbench.benchmark.perf.methods import COLUMNS, PerfOptions, Setting, perf
from talkbench.methods.interface import Batch, Method

MIB = 2**20


@dataclass(frozen=True)
class Maps(Batch):
    images: Tensor


class Layers(Method):
    """Counts that can be done by hand: one layer for each stage, one parameter shared by two networks."""

    resolution = 16
    watch = None

    def __init__(self, weights=None):
        assert weights is None
        self.name, self.settings = "layers", {}
        self.source, self.motion = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.decoder = nn.Linear(16, 16)
        self.volume = nn.Conv3d(4, 4, 1)
        self.networks = {"source": self.source, "both": nn.ModuleList([self.source, self.motion, self.volume])}
        self.networks["decoder"] = self.decoder

    def encode_source(self, images):
        return Maps(self.source(images))

    def encode_motion(self, images):
        return Maps(self.motion(images))

    def transfer(self, source, driving, reference):
        return driving

    def render(self, source, motion):
        assert torch.is_inference_mode_enabled() or not torch.is_grad_enabled()
        if self.watch:
            self.watch(source, motion)
        return self.decoder(source.images + motion.images)[:, :3]


# Multiply-adds of the three stages at 16×16, times two.
SOURCE, MOTION, RENDER = 2 * 3 * 4 * 256, 2 * 3 * 4 * 9 * 256, 2 * 4 * 256 * 16


@pytest.fixture
def layers(place, monkeypatch):
    monkeypatch.setitem(methods.registry._factories, "layers", Layers)
    monkeypatch.setattr(Layers, "watch", None)


@pytest.fixture
def measured(bench, layers):
    """The rows of the CSV after `bench perf` of the method above, with options; numbers where there are some."""

    def run(*options: object) -> list[dict]:
        result = bench("perf", "--method", "layers", "--repeat", 2, "--device", "cpu", *options)
        assert result.code == 0, result.err
        return table(Path(result.out.splitlines()[-1].removeprefix("table").strip()))

    return run


def table(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(tuple(row) == COLUMNS for row in rows)
    return rows


def test_arithmetic_is_counted_for_each_stage_per_frame(measured):
    for batch_size in (1, 3):
        (row,) = measured("--batch-size", batch_size, "--out", f"{batch_size}.csv")
        assert float(row["gflop_encode_source"]) * 1e9 == pytest.approx(SOURCE)
        assert float(row["gflop_encode_motion"]) * 1e9 == pytest.approx(MOTION)
        assert float(row["gflop_render"]) * 1e9 == pytest.approx(RENDER)
        assert float(row["gflop_frame"]) * 1e9 == pytest.approx(MOTION + RENDER, rel=1e-5)
        assert float(row["gflop_cold"]) * 1e9 == pytest.approx(SOURCE + MOTION + RENDER, rel=1e-5)
        assert int(row["parameters"]) == 3 * 4 + 3 * 4 * 9 + 16 * 16 + 16 + 4 * 4 + 4  # none twice


def test_a_row_says_what_was_measured_and_where(measured):
    (row,) = measured()
    assert [row[name] for name in ("method", "mode", "batch_size", "size")] == ["layers", "float32", "1", "16"]
    assert row["device"] == device_name(torch.device("cpu"))
    assert row["torch"] == torch.__version__
    assert row["memory"] == "resident set of the process"
    assert (row["repeat"], row["reason"]) == ("2", "")
    assert float(row["frames_per_second"]) == pytest.approx(1000 / float(row["ms_frame"]), rel=1e-4)
    assert float(row["ms_cold"]) > float(row["ms_frame"]) > 0
    assert float(row["mib_cold"]) >= float(row["mib_frame"]) > 50


def test_stages_are_timed_apart_and_the_median_is_taken(monkeypatch, layers):
    """The clock goes on by what each stage says; one slow turn does not count."""
    now = 0.0
    monkeypatch.setattr("talkbench.benchmark.perf.gauges.perf_counter", lambda: now)

    def taking(*seconds: float):
        left = list(seconds)

        def stage() -> None:
            nonlocal now
            now += left.pop(0) if len(left) > 1 else left[0]

        return stage

    device = torch.device("cpu")
    assert turn({"encode_source": taking(3), "render": taking(2)}, device) == {"encode_source": 3, "render": 2}

    slow = iter([9, 9, 9, 0.5, 0.1, 100, 0.3, 0.2])  # the first three turns warm up

    def watch(source, motion) -> None:
        nonlocal now
        if torch.is_inference_mode_enabled():  # the count of operations runs before
            now += next(slow, 0)

    monkeypatch.setattr(Layers, "watch", staticmethod(watch))
    rows, _ = perf(PerfOptions(("layers",), device="cpu", repeat=5, batch_sizes=(2,)))
    assert rows[0].cost.ms_frame == rows[0].cost.ms_cold == pytest.approx(150)  # 0.3 s for two frames
    assert rows[0].cost.frames_per_second == pytest.approx(1000 / 150)


def test_one_source_serves_all_driving_frames(measured, monkeypatch):
    seen = []
    monkeypatch.setattr(Layers, "watch", staticmethod(lambda source, motion: seen.append((source, motion))))
    measured("--batch-size", 3)
    source, motion = seen[-1]
    assert source.images.shape[0] == motion.images.shape[0] == 3
    assert source.images.stride(0) == 0
    assert not torch.equal(motion.images[0], motion.images[1])


@pytest.mark.parametrize("mode", ["float32", "bf16", "channels_last", "bf16+channels_last", "compiled"])
def test_a_mode_is_what_it_says(measured, monkeypatch, mode):
    """`compiled` without a compiler: what is traced is run as it is."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    seen = []

    def watch(source, motion) -> None:
        if torch.is_inference_mode_enabled():
            seen.append((motion.images, torch.compiler.is_dynamo_compiling()))

    monkeypatch.setattr(Layers, "watch", staticmethod(watch))
    (row,) = measured("--modes", mode)
    assert (row["mode"], row["reason"]) == (mode, "")
    image, compiled = seen[0]
    assert image.dtype == (torch.bfloat16 if "bf16" in mode else torch.float32)
    assert image.is_contiguous(memory_format=torch.channels_last) == ("channels_last" in mode)
    assert compiled == (mode == "compiled")


def test_every_setting_has_a_row_and_a_line(bench, layers):
    chosen = ("--method", "layers,copy-source", "--method", "oracle", "--modes", "float32,bf16", "--batch-size", "1, 2")
    result = bench("perf", *chosen, "--repeat", 1, "--size", 24, "--device", "cpu")
    (path,) = Path("perf").iterdir()
    rows = table(path)
    assert [(row["method"], row["mode"], row["batch_size"]) for row in rows] == [
        (method, mode, batch_size)
        for method in ("layers", "copy-source", "oracle")
        for mode in ("float32", "bf16")
        for batch_size in ("1", "2")
    ]
    assert {row["size"] for row in rows if row["method"] != "layers"} == {"24"}
    assert len(re.findall(r"(?:layers|copy-source|oracle) +│ (?:float32|bf16)", result.out)) == 12
    assert result.out.splitlines()[-1] == f"table   {path}"


def test_the_name_of_the_table_says_device_precision_and_version(bench, layers, monkeypatch):
    monkeypatch.setattr("talkbench.benchmark.perf.methods.device_name", lambda device: "NVIDIA H200 (141 GB)")
    monkeypatch.setattr("talkbench.benchmark.perf.table.version", lambda package: "1.2.3")
    answer = json.loads(bench("perf", "--method", "layers", "--modes", "float32,bf16", "--repeat", 1, "--json").out)
    assert [path.name for path in Path("perf").iterdir()] == ["nvidia-h200-141-gb-float32-bf16-1.2.3.csv"]
    assert answer["table"] == "perf/nvidia-h200-141-gb-float32-bf16-1.2.3.csv"
    assert [row["setting"]["mode"] for row in answer["rows"]] == ["float32", "bf16"]
    assert all(row["cost"]["ms_frame"] > 0 for row in answer["rows"])


def test_what_fails_here_is_a_row_with_its_reason(bench, layers, monkeypatch):
    def watch(source, motion) -> None:
        if len(motion) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    def refuse(stage, **_):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(Layers, "watch", staticmethod(watch))
    monkeypatch.setattr(torch, "compile", refuse)
    chosen = ("--method", "layers", "--modes", "float32,compiled", "--batch-size", "2,1")
    result = bench("perf", *chosen, "--repeat", 1, "--out", "costs.csv", "--device", "cpu")
    assert result.code == 0
    assert "Traceback" not in result.err
    rows = {(row["mode"], row["batch_size"]): row for row in table(Path("costs.csv"))}
    assert rows["float32", "2"]["reason"] == "OutOfMemoryError: CUDA out of memory."
    assert rows["compiled", "1"]["reason"] == "RuntimeError: Failed to find C compiler"
    assert rows["compiled", "1"]["ms_frame"] == ""
    assert rows["float32", "1"]["reason"] == ""
    assert "not measured: layers, float32, batch of 2: OutOfMemoryError: CUDA out of memory." in result.out
    assert result.out.count("not measured") == 3


def test_a_method_that_cannot_be_built_does_not_stop_the_others(bench, layers, monkeypatch):
    def without(weights=None):
        raise ImportError("no module named torchvision")

    monkeypatch.setitem(methods.registry._factories, "mine", without)
    result = bench("perf", "--method", "mine,layers", "--repeat", 1, "--out", "costs.csv", "--device", "cpu")
    assert result.code == 0
    assert [row["reason"] for row in table(Path("costs.csv"))] == ["ImportError: no module named torchvision", ""]


def test_the_table_grows_and_keeps_one_row_per_setting(measured):
    measured("--out", "costs.csv")
    old = measured("--out", "costs.csv", "--batch-size", 2)
    rows = measured("--out", "costs.csv", "--repeat", 3)
    assert [(row["batch_size"], row["repeat"]) for row in rows] == [("1", "3"), ("2", "2")]
    assert rows[1] == old[1]


def test_rows_are_written_as_they_come(layers, place, monkeypatch):
    def watch(source, motion) -> None:
        if len(motion) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Layers, "watch", staticmethod(watch))
    with pytest.raises(KeyboardInterrupt):
        perf(PerfOptions(("layers",), batch_sizes=(1, 2), device="cpu", repeat=1, out=place / "costs.csv"))
    assert [row["batch_size"] for row in table(place / "costs.csv")] == ["1"]


def test_an_earlier_peak_of_memory_is_forgotten(measured):
    """Half a gigabyte that was freed before; only Linux can forget."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("the system keeps the peak")
    torch.ones(128 * MIB).sum()
    (row,) = measured()
    with Path("/proc/self/status").open() as status:
        now = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
    assert float(row["mib_cold"]) < now + 256


def test_a_real_method_and_its_fixed_seed(place):
    rows, _ = perf(PerfOptions(("mcnet@demo",), device="cpu", repeat=1))
    setting, cost = rows[0].setting, rows[0].cost
    assert rows[0].reason == ""
    assert (setting.size, cost.parameters) == (128, 1_899_564)
    assert cost.gflop_frame == pytest.approx(cost.gflop_encode_motion + cost.gflop_render)
    assert 2 < cost.gflop_frame < cost.gflop_cold < 8
    drawn = []
    for _ in range(2):
        torch.rand(7)
        perf(PerfOptions(("copy-source",), device="cpu", repeat=1))
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1]


def test_only_torch_is_needed(place):
    """Not the libraries of metrics, data sets, records and tracking; pydantic reads the cards."""
    missing = "av face_alignment facenet_pytorch feat lpips matplotlib mlflow pandas platformdirs pyarrow skimage"
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}.split()))\n"
        "sys.argv = 'bench perf --method copy-source --repeat 1 --device cpu --size 16 --out costs.csv'.split()\n"
        "from talkbench.benchmark.cli.main import main; main()\n"
    )
    ended = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, env=os.environ)
    assert ended.returncode == 0, ended.stderr
    assert [row["reason"] for row in table(place / "costs.csv")] == [""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "blent"), "unknown method 'blent': did you mean blend?"),
        (("--method", " ,"), "Invalid value for '--method': the list is empty"),
        ((), "give either --method or --metrics"),
        (("--method", "blend", "--metrics", "l1"), "give either --method or --metrics"),
        (("--method", "blend", "--modes", "bf17"), "unknown mode 'bf17': did you mean bf16?"),
        (("--method", "blend", "--modes", "bf16+fast"), "unknown mode 'fast': "),
        (("--method", "blend", "--modes", "bf16+float32"), "mode 'bf16+float32' asks for two precisions; choose one"),
        (("--method", "blend", "--batch-size", "1,0"), "Invalid value for '--batch-size'"),
        (("--method", "blend", "--batch-size", "one"), "Invalid value for '--batch-size'"),
        (("--method", "blend", "--repeat", 0), "Invalid value for '--repeat'"),
        (("--method", "blend", "--device", "gpu"), "device 'gpu' cannot be used here ("),
        (("--method", "blend", "--out", "other.csv"), "other.csv is not a table of bench perf; name another file"),
        (("--method", "blend", "--out", "other.csv/x.csv"), "cannot write other.csv"),
    ],
)
def test_a_wrong_command(bench, place, options, message):
    (place / "other.csv").write_text("a,b\n1,2\n")
    assert message in bench("perf", *options).complaint()
    assert (place / "other.csv").read_text() == "a,b\n1,2\n"


def test_settings_are_columns():
    assert COLUMNS[: len(Setting.__dataclass_fields__)] == tuple(Setting.__dataclass_fields__)


def test_times_are_compared_with_those_of_an_earlier_table(bench, layers, place):
    shared = ("perf", "--method", "layers", "--device", "cpu", "--repeat", 1, "--batch-size")
    assert bench(*shared, "1", "--out", "before/a.csv").code == 0
    path = place / "before" / "a.csv"
    (row,) = csv.DictReader(path.read_text().splitlines())
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow({**row, "talkbench": "0.0.1", "torch": "1.0", "ms_frame": "1000", "ms_cold": ""})
    told = json.loads(bench(*shared, "1,2", "--against", "before", "--json").out)
    (ratio,) = told["against"]  # of the batch of two nothing is stored
    assert (ratio["time"], ratio["before"], ratio["talkbench"], ratio["table"]) == ("ms_frame", 1000, "0.0.1", "a.csv")
    assert ratio["ratio"] == pytest.approx(1000 / ratio["now"])
    assert "against earlier measurements" in bench(*shared, "1", "--against", "before").out
    nothing = bench(*shared, "2", "--against", "before")
    assert nothing.code == 0
    assert "nothing to compare: no table in before has these settings on this device" in nothing.out


@pytest.mark.parametrize(
    ("folder", "complaint"),
    [
        ("nowhere", "--against nowhere is not a folder; give the one that holds tables of bench perf"),
        (".", "--against . holds no table of bench perf with a time in it; give another folder"),
        ("spoilt", "spoilt/a.csv is damaged: ms_frame is 'fast'; restore it or take it away"),
    ],
)
def test_a_folder_without_tables_is_refused_before_anything_is_measured(bench, layers, folder, complaint):
    Path("spoilt").mkdir()
    Path("spoilt", "a.csv").write_text("method,ms_frame\nlayers,fast\n")
    result = bench("perf", "--method", "layers", "--against", folder)
    assert result.code == 2
    assert complaint in result.err
