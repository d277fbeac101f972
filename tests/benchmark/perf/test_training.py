"""`bench perf --train`: what a step is counted and timed as, and what is refused."""

import csv
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_training import EPOCH, NAMES, make_trainer
from torch import nn
from torch.nn import functional as F
from toy_training import SIZE, tiny

from talkbench.benchmark.perf import training
from talkbench.benchmark.perf.modules import Calls
from talkbench.benchmark.perf.training import COLUMNS, TrainPerfOptions
from talkbench.methods import mcnet
from talkbench.methods.registration import families
from talkbench.training.objectives.losses import MultiScaleL1

plain_image_loss = training.make_image_loss


@pytest.fixture
def toy(place, monkeypatch):
    """mcnet@demo is a toy that takes milliseconds, on few frames and without VGG."""
    monkeypatch.setitem(mcnet.VARIANTS, "demo", tiny().config)
    monkeypatch.setattr(training, "make_image_loss", MultiScaleL1)
    few(monkeypatch)


def few(monkeypatch):
    monkeypatch.setattr(training, "IMAGES", 2)
    monkeypatch.setattr(training, "FRAMES", 10)


def table(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(tuple(row) == COLUMNS for row in rows)
    return rows


def measured(bench, *options: object) -> list[dict]:
    command = ("perf", "--train", "--method", "mcnet@demo", "--device", "cpu", "--workers", 0, "--repeat", 1)
    result = bench(*command, *options)
    assert result.code == 0, result.err
    return table(Path(result.out.splitlines()[-1].removeprefix("table").strip()))


def test_a_row_says_what_a_step_takes(bench, toy):
    small, large = measured(bench, "--batch-size", "2,4")
    for row in (small, large):
        cost = {name: float(text) for name, text in row.items() if name.startswith(("gflop_", "ms_", "mib_"))}
        assert row["reason"] == ""
        assert (row["method"], row["size"], row["workers"]) == ("mcnet@demo", str(SIZE), "0")
        assert cost["gflop_step"] == pytest.approx(
            cost["gflop_forward"] + cost["gflop_perceptual"] + cost["gflop_backward"], rel=1e-4
        )
        stages = sum(cost[f"ms_{stage}"] for stage in ("forward", "perceptual", "backward", "optimiser"))
        assert cost["ms_step"] == pytest.approx(stages, rel=1e-4)  # of a single turn
        assert min(cost.values()) > 0
        assert float(row["images_per_second"]) == pytest.approx(
            int(row["batch_size"]) * 1000 / cost["ms_step"], rel=1e-4
        )
        assert float(row["data_ratio"]) == pytest.approx(cost["ms_step"] / cost["ms_data"], rel=1e-4)
    assert small["gflop_step"] == large["gflop_step"]


def test_nothing_is_computed_twice(bench, toy):
    """What a step does is what its modules need; the rest is products of small matrices, in the keypoints' losses."""
    (row,) = measured(bench, "--batch-size", 2, "--workers", 1)
    step, modules = float(row["gflop_step"]), float(row["gflop_modules"])
    assert 0 <= step - modules < 0.02 * step
    parts = dict(part.split() for part in row["modules"].split(", "))
    assert sum(map(float, parts.values())) == pytest.approx(modules, rel=1e-4)
    assert {"kp_detector.predictor", "generator.mbUnit", "image_loss.pyramid"} <= parts.keys()


@pytest.mark.parametrize("name", NAMES)
def test_no_objective_computes_anything_twice(tmp_path, name):
    torch.set_flush_denormal(True)
    trainer = make_trainer(name, tmp_path)
    trainer.step = EPOCH * trainer.batches.per_epoch
    trainer.objective.train()
    counted = training.count(trainer)
    step, modules = counted.forward + counted.perceptual + counted.backward, sum(counted.modules.values())
    assert 0 <= step - modules < 0.02 * step


def test_all_methods_with_a_recipe_are_measured(bench, place, monkeypatch):
    measured = []
    monkeypatch.setattr(training, "perf_train", lambda options, _: measured.append(options) or ([], place / "t.csv"))
    monkeypatch.setattr("talkbench.benchmark.cli.print.costs.print_training_costs", lambda _: None)
    assert bench("perf", "--train", "--method", "all", "--batch-size", 2).code == 0
    trained = {card.default for card in families().values() if card.recipe}
    assert sorted(measured[0].methods) == sorted(trained)


def test_what_is_computed_twice_shows(bench, toy, monkeypatch):
    """A pyramid of the target that is made anew for each use, say."""

    class Wasteful(MultiScaleL1):
        def forward(self, prediction, target):
            self.pyramid(target)
            return super().forward(prediction, target)

    (lean,) = measured(bench, "--batch-size", 2)
    monkeypatch.setattr(training, "make_image_loss", Wasteful)
    (wasteful,) = measured(bench, "--batch-size", 2)
    assert wasteful["gflop_modules"] == lean["gflop_modules"]
    assert float(wasteful["gflop_perceptual"]) == pytest.approx(1.5 * float(lean["gflop_perceptual"]), rel=1e-4)


def test_modules_are_counted_by_hand():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 2), nn.ReLU())])

        def forward(self, x):
            self.layers[0](x)  # in vain
            return self.layers[1](self.layers[0](x.clone()))

    network = Twice()
    frozen = nn.ModuleDict({"measure": nn.Linear(2, 2).requires_grad_(False)})
    with Calls({"network": network, "loss": frozen}) as calls:
        with torch.no_grad():
            network(torch.rand(5, 4))
        out = network(torch.rand(3, 4))
        F.l1_loss(frozen["measure"](out), frozen["measure"](torch.rand(3, 2))).backward()
    # 4×8: forward, and the gradient of the weights alone; 8×2: that of the input too.
    assert calls.flops() == {
        "network.layers": 2 * 3 * (2 * 4 * 8 + 3 * 8 * 2) + 2 * 5 * (4 * 8 + 8 * 2),
        "loss.measure": 2 * 3 * (2 + 1) * 2 * 2,  # the prediction has a gradient, the target has none
    }
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_the_target_is_looked_at_without_a_graph(place, monkeypatch):
    """VGG-19, narrow: on the target forward alone, on the prediction forward and backward."""
    vgg = pytest.importorskip("torchvision.models.vgg")
    narrow = [width if width == "M" else 4 for width in vgg.cfgs["E"]]
    monkeypatch.setitem(vgg.cfgs, "E", narrow)
    monkeypatch.setitem(mcnet.VARIANTS, "demo", replace(tiny().config, resolution=128))
    few(monkeypatch)
    training.write_frames(place)
    trainer = training.Bench(place, torch.device("cpu"), 0, 1).trainer("mcnet@demo", "float32", 2)
    counted = training.count(trainer)
    sides = [128, 64, 32, 16]  # the pyramid's; five blocks of layers, each at half the side of the one before
    products = sum((12 + 16 + 32 / 4 + 64 / 16 + 64 / 64 + 16 / 256) * side**2 for side in sides)
    once = 2 * 9 * products / 1e9
    assert counted.modules["image_loss.features"] == pytest.approx(3 * once, rel=1e-4)
    assert 2 * once < counted.perceptual < 2 * once + 2 * counted.modules["image_loss.pyramid"]


def test_parts_are_timed_apart():
    """The clock goes on by what each part says."""
    now = 0.0

    def take(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Loss(nn.Module):
        def forward(self, x):
            take(2)
            return x

    class Learner:
        def passes(self, x, _step):
            take(1)
            Trainer.objective.image_loss(x)
            Trainer.objective.image_loss(x)
            leaf = torch.zeros((), requires_grad=True)
            total = leaf * 2
            total.register_hook(lambda _: take(5))
            yield {"total": total}

        def clip(self):
            take(2)

        def update(self, _step):
            take(5)

    class Trainer:
        objective, learner, step = nn.Module(), Learner(), 0

    Trainer.objective.image_loss = Loss()
    spent = training.turn(Trainer(), torch.zeros(1), lambda: now)
    assert spent == {"forward": 1, "perceptual": 4, "backward": 5, "optimiser": 7}
    assert training.turn(Trainer(), torch.zeros(1), lambda: now, compiled=True)["forward"] == 5


@pytest.mark.parametrize("mode", ["bf16+channels_last", "compiled"])
def test_a_mode_is_what_it_says(bench, toy, monkeypatch, mode):
    compiled, seen = [], []
    monkeypatch.setattr(torch, "compile", lambda terms: compiled.append(terms) or terms)
    plain = training.turn

    def watch(trainer, images, *rest):
        result = plain(trainer, images, *rest)
        kernel = trainer.networks["generator"].first.conv.weight
        assert all(network.training for network in trainer.networks.values())
        seen.append((trainer.config.precision, kernel.is_contiguous(memory_format=torch.channels_last)))
        return result

    monkeypatch.setattr(training, "turn", watch)
    (row,) = measured(bench, "--modes", mode, "--batch-size", 2)
    assert (row["mode"], row["reason"]) == (mode, "")
    assert seen[-1] == (("float32", False) if mode == "compiled" else ("bf16", True))
    assert len(compiled) == (mode == "compiled")
    assert (row["ms_perceptual"] == "") == (mode == "compiled")


def test_only_torch_and_pydantic_are_needed(bench, toy, monkeypatch):
    """Not torchvision either: then a multi-scale L1 stands in for the perceptual loss, and the table says so."""
    for name in ("face_alignment", "facenet_pytorch", "feat", "lpips", "matplotlib", "mlflow", "pandas", "torchvision"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(training, "make_image_loss", plain_image_loss)
    (row,) = measured(bench, "--batch-size", 2)
    assert (row["reason"], row["image_loss"]) == ("", "multi-scale L1")


def test_what_fails_here_is_a_row_with_its_reason(bench, toy, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(training, "turn", fail)
    result = bench("perf", "--train", "--method", "oracle,mcnet@demo", "--batch-size", 2, "--device", "cpu")
    assert "not measured: mcnet@demo, float32, batch of 2: OutOfMemoryError: CUDA out of memory." in result.out
    assert "not measured: oracle, float32, batch of 2: TalkbenchError: oracle cannot be trained" in result.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--train", "--metrics", "l1"), "--train is for methods"),
        (("--train", "--method", "mcnet", "--size", 64), "--train is for methods, which are trained at sizes of"),
        (("--method", "blend", "--workers", 2), "--workers is for --train"),
        (("--train", "--method", "mcent"), "unknown method 'mcent': did you mean mcnet"),
        (("--train", "--method", "mcnet", "--modes", "fp8"), "unknown mode 'fp8'"),
        (("--train",), "give either --method or --metrics"),
    ],
)
def test_a_wrong_command(bench, place, options, message):
    assert message in bench("perf", *options).complaint()


def test_options_are_plain():
    assert TrainPerfOptions(("mcnet",)).workers is None
